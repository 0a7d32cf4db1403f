#pragma once

#include <cstdint>

namespace tessera {

// Counter-based random numbers: pure functions of (seed, stream, counter), so that any partition
// and any order of evaluation gives the same numbers. Philox4x32-10 (Salmon, Moraes, Dror, Shaw:
// Parallel random numbers: as easy as 1, 2, 3; SC'11) with the seed as its key and stream and
// counter as its counter, low words first.
struct RandomBits {
  uint32_t word[4];
};
RandomBits philox(uint64_t seed, uint64_t stream, uint64_t counter);

// What each of the rounds multiplies by, and what is added to the key between them.
constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxFactor[2] = {0xD2511F53, 0xCD9E8D57};
constexpr uint32_t kPhiloxWeyl[2] = {0x9E3779B9, 0xBB67AE85};

// 53 bits of the draw (seed, stream 0, counter) as an integer from 0 to 2^53 - 1: the first word
// above the upper 21 bits of the second.
int64_t random_bits(int64_t seed, int64_t counter);

}  // namespace tessera
