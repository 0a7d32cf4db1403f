#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/dtype.h"

namespace tessera {

// What the threads of a warp do together, by its definition: PTX ISA 8, 9.7.14, "Warp-level matrix
// instructions". Each thread brings an operand and gets its result there; operands are by lane.

// shfl.sync.bfly: each thread's word becomes that of lane `lane ^ mask`.
struct ExchangedWord {
  int32_t word = 0, mask = 0;
};
void exchange_words(const std::vector<ExchangedWord*>& warp);

// ldmatrix.sync.aligned.m8n8.x4.shared.b16, with .trans where `turned`: lane 8 s + l gives the
// address of line l of square s.
struct LoadedSquares {
  const std::byte* address = nullptr;
  bool turned = false;
  uint32_t* words = nullptr;  // four of them, one of each square
};
void load_squares(const std::vector<LoadedSquares*>& warp);

// mma.sync.aligned, of m16n8k16 for bf16 and f16 with sums of f32, of m16n8k32 for bytes with sums
// of i32. With g = lane / 4 and t = lane % 4, words of 4 bytes of k:
//
//   a   lines g and g + 8, at word t, then both at word t + 4
//   b   column g, at words t and t + 4
//   c   line g, columns 2 t and 2 t + 1, then line g + 8 likewise
struct MultipliedMatrices {
  DType a = DType::bf16, b = DType::bf16;
  uint32_t* words = nullptr;  // 4 of a, 2 of b, 4 of c, which the result takes the place of
};
void multiply_matrices(const std::vector<MultipliedMatrices*>& warp);

}  // namespace tessera
