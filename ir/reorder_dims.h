#pragma once

#include <map>

#include "ir/program.h"

namespace tessera {

// The same program with the dims of some definitions in these orders; what is carried lies as what
// it is updated with. Updates' values have no order here: they keep that of their target.
//
//   y[a, b] = x * w  with  {y: b, a}   becomes   y[b, a] = x * w, and what reads y reads it so
Program reorder_dims(const Program& source, const std::map<Tensor, Dims>& orders);

}  // namespace tessera
