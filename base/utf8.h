#pragma once

#include <cstddef>
#include <string_view>

namespace tessera {

// Where the first byte stands that is no part of UTF-8 (RFC 3629); npos where all are.
size_t first_not_utf8(std::string_view text);

}  // namespace tessera
