#pragma once

#include <string>

#include "ir/expr.h"

namespace tessera {

// A formula is a graph: what it uses twice is there once. Written out, as in a printed program, it
// is a tree, in which that stands twice; and where a def uses its argument twice, ten calls within
// one another are a thousand times as long. So a definition that is long becomes several: parts of
// it that are used more than once, or are long themselves, become definitions of their own.
//
//   def f(s) = s * s + s;  y = f(f(f(f(f(f(f(x)))))))   becomes   y.1 = f(f(f(f(x))))
//                                                                 y = f(f(f(y.1)))

// Operations of one definition, written out, up to which it stays one.
constexpr int64_t kMostWritten = 2000;
// Flops (FnInfo) of the distinct operations of one definition, up to which it stays one: compiling
// a kernel takes time that grows faster than the kernel.
constexpr double kMostWork = 2000;

// Operations of the formula written out as a tree; counting stops at `limit`.
int64_t written_size(const Expr& expr, int64_t limit = int64_t{1} << 40);

double flops_of(const Expr& expr);

// May reading it go outside of the tensor?
bool may_leave(const Read& read);
// May some read of the formula?
bool reads_may_leave(const Expr& formula);

// `value` of the definition `name`, reading new definitions in place of parts where it is longer
// than kMostWritten, or does more than kMostWork. Those of a checkpoint are checkpoints. Parts stay
// in place where taking them out could read outside of a tensor, or would need much more memory
// than the definition. UserError at `value` where it is then longer than a million operations.
Expr in_parts(const Expr& value, const std::string& name);

}  // namespace tessera
