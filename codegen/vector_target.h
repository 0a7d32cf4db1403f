#pragma once

#include <cstdint>

namespace tessera {

// What code for a host may use. Facts, never a processor's name.
struct VectorTarget {
  int vector_bytes = 16;
  int registers = 16;                                                     // of vectors
  int64_t l1_bytes = 32 << 10, l2_bytes = 512 << 10, l3_bytes = 8 << 20;  // the last one shared
  // Products of so many numbers side by side are added to one lane by an instruction, or for i16
  // by two: 1 where there is none.
  int bf16_products = 1, i16_products = 1, i8_products = 1;
  int threads = 2;  // that will share the blocks of a contraction

  bool operator==(const VectorTarget&) const = default;
};

}  // namespace tessera
