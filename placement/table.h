#pragma once

#include <string>
#include <vector>

namespace tessera {

// Rows of cells as aligned columns, two blanks apart, at most `width` wide: the last column is
// wrapped, wider cells of the others are cut with "...". Columns in `right` are aligned to the
// right.
std::string aligned(const std::vector<std::vector<std::string>>& rows,
                    const std::vector<int>& right, size_t width = 100);

}  // namespace tessera
