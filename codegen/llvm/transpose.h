#pragma once

#include <llvm/IR/IRBuilder.h>

#include <vector>

namespace tessera {

// Exchanges rows and lanes of a square of vectors, a power of two, by exchanging one bit of their
// numbers at a time (Eklundh, 1972).
void transpose(llvm::IRBuilderBase& builder, std::vector<llvm::Value*>& rows);

}  // namespace tessera
