#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// "1.50 MiB", "312 B": powers of 1024.
std::string human_bytes(int64_t bytes);
// "1.50 ms", "12.0 s", "850 ns".
std::string human_seconds(double seconds);

}  // namespace tessera
