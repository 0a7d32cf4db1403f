#pragma once

#include "ir/parse_formula.h"

namespace tessera {

// What stands behind `=` of a param or state: a number, `true`, normal(mean, stddev),
// uniform(low, high), glorot(), glorot(fan_in, fan_out), he() or he(fan_in).
Initializer read_initializer(const Syntax& syntax, FormulaBuilder& formulas);

}  // namespace tessera
