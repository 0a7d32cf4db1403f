#include "ir/first_position.h"

#include "ir/functions.h"

namespace tessera {

Expr first_position(const Dim& dim, const Expr& body, const Expr& best, const SourceLocation& at) {
  Expr reaches = equal(body, best, at);
  if (is_float(body.type())) reaches = reaches || differs(body, body, at);
  const Expr none = make_constant(Scalar::of_int(DType::i32, dim.extent() - 1), at);
  return make_reduce(Reduction::min, {dim}, where(reaches, make_index(dim), none, at), at);
}

}  // namespace tessera
