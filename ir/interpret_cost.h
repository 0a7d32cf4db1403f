#pragma once

#include "ir/program.h"

namespace tessera {

// How many nodes interpret.h visits for the values of `value` over `order`, where the dims in
// `fixed` stand at one index. A formula's tree counts, as the interpreter remembers reductions
// only.
//
//   y[i] = sum[k](a * b) over 10 i and 20 k:  3 for each of 200 points, 1 for each of 10
double operations_to_interpret(const Expr& value, const Dims& order, const Dims& fixed = {});
// Of the formula at one point, where reductions below are known; a reduction counts what it
// combines there.
double operations_at_point(const Expr& value);

}  // namespace tessera
