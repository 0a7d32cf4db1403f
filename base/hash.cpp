#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace tessera {

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string hex(uint64_t value) {
  return fmt::format("{:016x}", value);
}

}  // namespace tessera
