#pragma once

#include <string>

#include "ir/interpret.h"

namespace tessera {

// The derivative of an output without dims by element `i` of a parameter, from the interpreter's
// values on both sides of it: what derived gradients are compared with. The error is of the order
// of step².
inline double central_difference(const Program& program, const Arrays& inputs, const Arrays& state,
                                 const std::string& output, const std::string& parameter, size_t i,
                                 double step) {
  const auto at = [&](double away) {
    Arrays moved = state;
    Array& array = moved.at(parameter);
    array.set(i, array.get(i) + away);
    return interpret(program, inputs, moved).at(output).get(0);
  };
  return (at(step) - at(-step)) / (2 * step);
}

}  // namespace tessera
