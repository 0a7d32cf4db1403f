#include "base/philox.h"

namespace tessera {
namespace {

void round_once(uint32_t counter[4], const uint32_t key[2]) {
  const uint64_t a = uint64_t{kPhiloxFactor[0]} * counter[0];
  const uint64_t b = uint64_t{kPhiloxFactor[1]} * counter[2];
  const uint32_t c1 = counter[1];
  const uint32_t c3 = counter[3];
  counter[0] = static_cast<uint32_t>(b >> 32) ^ c1 ^ key[0];
  counter[1] = static_cast<uint32_t>(b);
  counter[2] = static_cast<uint32_t>(a >> 32) ^ c3 ^ key[1];
  counter[3] = static_cast<uint32_t>(a);
}

}  // namespace

RandomBits philox(uint64_t seed, uint64_t stream, uint64_t counter) {
  uint32_t words[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                       static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < kPhiloxRounds; ++round) {
    round_once(words, key);
    key[0] += kPhiloxWeyl[0];
    key[1] += kPhiloxWeyl[1];
  }
  return {{words[0], words[1], words[2], words[3]}};
}

int64_t random_bits(int64_t seed, int64_t counter) {
  const RandomBits bits = philox(static_cast<uint64_t>(seed), 0, static_cast<uint64_t>(counter));
  return static_cast<int64_t>(uint64_t{bits.word[0]} << 21 | bits.word[1] >> 11);
}

}  // namespace tessera
