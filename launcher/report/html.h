#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Text as HTML, safe in elements and in quoted attributes; bytes that are no UTF-8 become U+FFFD.
std::string html(std::string_view text);

// A table; cells are HTML already. Columns of `numbers` are set to the right. Without a head, the
// first cell of each row is one.
std::string html_table(const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows,
                       const std::vector<bool>& numbers);

}  // namespace tessera
