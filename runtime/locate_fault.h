#pragma once

#include <functional>
#include <string>

#include "base/array.h"
#include "ir/program.h"

namespace tessera {

// A kernel that reads outside a tensor says which index led there and to what value, not at which
// element. This looks for it in the data that was given and adds it to the text:
//
//   the index `label` is 12 where it reads `x` along `k`; allowed is 0 to 9
//   the index `label` is 12, at b = 37, where it reads `x` along `k`; allowed is 0 to 9
//
// Leaves the text alone where the index depends on computed values, or stands in a `where`, which
// may leave the element out. `given` finds the whole array of an input, parameter or state, or
// nothing where that is too large; the calls follow from the arguments alone, so that it may
// communicate.
std::string with_element(const std::string& fault, const Program& normal,
                         const std::function<const Array*(const Tensor&)>& given);

}  // namespace tessera
