#pragma once

#include <string>

namespace tessera {

// A name beside `path` that no other thread or process takes: write there, then rename, and `path`
// appears whole or not at all.
std::string partial_path(const std::string& path);

}  // namespace tessera
