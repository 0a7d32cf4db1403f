#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <vector>

namespace tessera {

// Masked loads, stores, gathers and scatters. All those of kernels are made here, in the forms that
// the back end gets right (docs/decisions.md, "Masked accesses in pieces of a register"): pieces no
// wider than a register of the target, none where a constant part of the mask has no lane, and a
// store of one lane where it has one. Lanes that follow one another in a constant mask become plain
// stores, where three are enough: some processors take twenty cycles for a masked one. A mask is a
// vector of i1; nullptr is all lanes.
//
//   <16 x float> on 32-byte registers, mask splat(u) & <11111111 00000000>:
//   one masked load of lanes 0 to 7 under splat(u); lanes 8 to 15 are `otherwise`
class MaskedAccess {
 public:
  MaskedAccess(llvm::IRBuilderBase& builder, int register_bytes)
      : b_(builder), register_bytes_(register_bytes) {}

  // Consecutive elements from `at` on; lanes without their bit get those of `otherwise`.
  llvm::Value* load(llvm::Type* vector, llvm::Value* at, llvm::Align align, llvm::Value* mask,
                    llvm::Value* otherwise);
  void store(llvm::Value* value, llvm::Value* at, llvm::Align align, llvm::Value* mask);

  // Each lane at base + offsets[lane], counted in elements.
  llvm::Value* gather(llvm::Type* vector, llvm::Value* base, llvm::Value* offsets,
                      llvm::Align align, llvm::Value* mask, llvm::Value* otherwise);
  // Each lane at base + places[lane]. Pieces whose places lie within a few registers are loaded as
  // those and permuted, none of them beyond the places of lanes that may be true.
  //
  //   places 0 2 4 6 8 10 12 14 on registers of 8: elements 0 to 7, 7 to 14, and a permutation
  llvm::Value* load_near(llvm::Type* vector, llvm::Value* base, const std::vector<int64_t>& places,
                         llvm::Align align, llvm::Value* mask, llvm::Value* otherwise);
  void scatter(llvm::Value* value, llvm::Value* base, llvm::Value* offsets, llvm::Align align,
               llvm::Value* mask);

 private:
  struct Piece {
    int first = 0, lanes = 0;
    llvm::Value* mask = nullptr;  // nullptr: all of its lanes
    bool none = false;            // no lane of it
  };

  // Those of a mask; with `narrow`, a piece of which one lane may be true is that lane.
  std::vector<Piece> pieces(llvm::Value* mask, int lanes, int widest_bytes, bool narrow);
  llvm::Value* near_piece(llvm::Type* element, llvm::Value* base,
                          const std::vector<int64_t>& places, llvm::Align align, const Piece& piece,
                          const std::vector<int>& able, llvm::Value* rest);
  llvm::Value* permuted_piece(llvm::Type* element, llvm::Value* base,
                              const std::vector<int64_t>& places, llvm::Align align,
                              const Piece& piece, llvm::Value* rest);
  llvm::Value* part(llvm::Value* vector, const Piece& piece);
  llvm::Value* mask_part(llvm::Value* mask, const Piece& piece);
  llvm::Value* pointers(llvm::Type* element, llvm::Value* base, llvm::Value* offsets,
                        const Piece& piece);

  llvm::IRBuilderBase& b_;
  int register_bytes_;
};

}  // namespace tessera
