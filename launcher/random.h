#pragma once

#include <cstdint>

namespace tessera {

// Counter-based random numbers for data: a function of key and counter, without state, the same on
// every rank. The mixing is that of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), applied twice
// so that neighbouring keys and counters do not correlate.
constexpr uint64_t mix_bits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr uint64_t random_bits(uint64_t key, uint64_t counter) {
  return mix_bits(mix_bits(key + 0x9e3779b97f4a7c15u) + (counter + 1) * 0x9e3779b97f4a7c15u);
}

// From 0 to below `bound` (at least 1); the bias is below bound / 2^64.
constexpr uint64_t random_below(uint64_t key, uint64_t counter, uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(random_bits(key, counter)) * bound >> 64);
}

}  // namespace tessera
