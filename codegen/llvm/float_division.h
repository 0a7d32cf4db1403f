#pragma once

#include <llvm/IR/IRBuilder.h>

#include "ir/scalar.h"

namespace tessera {

// x // y and x % y of f32 or f64, scalars or vectors, as ir/scalar.cpp defines them: the remainder
// is that of C's fmod, exact, moved to the divisor's sign, and the quotient is the whole number
// that belongs to it.
//
//   5 % inf = 5     -5 % 3 = 1     1e17 % 0.3 = 0.2007…     1.0 // 0.1 = 9
//
// One division and one fused multiply-add where the quotient is below 2^51, which is always but for
// a few; where some lane needs more, all take the library's fmod.
llvm::Value* emit_float_division(llvm::IRBuilderBase& builder, Fn fn, llvm::Value* x,
                                 llvm::Value* y);

}  // namespace tessera
