#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/program.h"

namespace tessera {

// One loop nest, the only compute node:
//
//   out[out.dims] = op over `reduced` of body        (no op: out[out.dims] = body)
//
// The body holds constants, indices, reads and scalar functions; no reductions and no gradients.
// An `op` over an empty range gives the op's identity. Floats are accumulated in the type of the
// body; the order is free, so sums may be reassociated.
//
//   caps[batch, cout] = sum[cin](pose * w)  has loops batch, cout, cin
struct Nest {
  Tensor out;  // a definition
  std::optional<ReduceOp> op;
  Dims reduced;  // sorted; empty without an op
  Expr body;

  // out.dims() and then `reduced`.
  Dims loops() const;
};

// The nest of a definition in normal form (see normalize.h). TESSERA_CHECKs that it is.
Nest nest_of(const Tensor& definition);
// One nest for each definition, in the order of computing (sequence.h). What loops carry is not
// computed.
std::vector<Nest> nests_of(const Program& program);
// Is every definition a nest, and every first value of a carried tensor a scalar formula?
bool is_normal(const Program& program);

// Every read in the body, those inside indices included, children first.
std::vector<Expr> reads_of(const Nest& nest);

// Floating-point and integer operations of one run, counting a multiply-add as two and functions
// by FnInfo::flops; index arithmetic is free.
double flops_of(const Nest& nest);
// Bytes of the distinct tensors read plus the one written.
double bytes_of(const Nest& nest);

// "h[batch, hidden] = sum[pixel](image * w1)", as in a program.
std::string describe(const Nest& nest);

}  // namespace tessera
