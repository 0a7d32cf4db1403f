#pragma once

#include <map>
#include <string>

#include "base/array.h"
#include "ir/program.h"

namespace tessera {

using Arrays = std::map<std::string, Array>;

// The definition of what a program means: one step, element by element, in the simplest way.
// `inputs` by name, in declared order of dims; `state` holds parameters and states and is updated.
// Returns the outputs, by name, in their order. Sums are accumulated in f64 for f32 and in the
// element's type otherwise. Throws UserError for a missing or ill-shaped array and for a gather
// that reads outside. Single-threaded and slow: the oracle for everything else.
Arrays interpret(const Program& program, const Arrays& inputs, Arrays& state);

// The array of every tensor of the program after one step from the given arrays, for tests that
// look at intermediates. Updates are not applied.
Arrays interpret_all(const Program& program, const Arrays& inputs, const Arrays& state);

}  // namespace tessera
