#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// 64-bit XXH3 of the bytes: the same on every machine and in every run.
uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0);

// Sixteen lower-case hexadecimal digits.
std::string hex(uint64_t value);

}  // namespace tessera
