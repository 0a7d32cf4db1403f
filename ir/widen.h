#pragma once

#include "ir/expr.h"

namespace tessera {

// A formula of bf16 or f16 written out as it is computed, in f32: what it reads is converted, its
// arithmetic and constants are f32, its conversions to bf16 or f16 round as they say. For other
// types the formula itself.
//
//   widened(a * b + 1)  ==  f32(a) * f32(b) + 1
Expr widened(const Expr& expr);

// The same for a value that is about to be summed and rounded anyway: an outermost rounding, or
// those of the terms of a sum, are left out.
Expr unrounded(const Expr& expr);

}  // namespace tessera
