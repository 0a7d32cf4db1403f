#pragma once

#include <functional>
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
// that reads outside, DeviceError when the values do not fit into memory. Single-threaded and slow:
// the oracle for everything else.
//
// `progress` is called now and then with how many operations are done, of how many.
using InterpretProgress = std::function<void(double done, double total)>;
Arrays interpret(const Program& program, const Arrays& inputs, Arrays& state,
                 const InterpretProgress& progress = {});

// The array of every tensor of the program in normal form after one step, for tests that look at
// intermediates. Updates are not applied.
Arrays interpret_all(const Program& normal, const Arrays& inputs, const Arrays& state);

// The values of one formula (no gradients in it) over `order`, row-major; `read` finds the array
// of a tensor, whose shape is that of the tensor's dims.
Array evaluate(const Expr& value, const Dims& order,
               const std::function<const Array&(const Tensor&)>& read);
// The same for one iteration of loops: each dim of `iteration` has one index. Writes those elements
// of `result`, an array over `order`.
void evaluate_iteration(const Expr& value, const Dims& order,
                        const std::map<Dim, int64_t>& iteration,
                        const std::function<const Array&(const Tensor&)>& read, Array& result);

}  // namespace tessera
