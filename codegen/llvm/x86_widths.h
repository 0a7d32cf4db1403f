#pragma once

#include <llvm/IR/Intrinsics.h>

namespace tessera {

// One instruction of x86 for vectors of 4, 8 and 16 words.
struct Widths {
  llvm::Intrinsic::ID bits128, bits256, bits512;

  llvm::Intrinsic::ID operator[](int lanes) const {
    return lanes == 4 ? bits128 : lanes == 8 ? bits256 : bits512;
  }
};

}  // namespace tessera
