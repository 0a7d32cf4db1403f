#pragma once

#include "base/source_location.h"
#include "ir/program.h"

namespace tessera {

// What counts of elements, bytes and points may reach, so that 64 bits hold every sum and product
// of them that planning and running form. An extent is at most 2^31 - 1 (dim.h).
constexpr int64_t kMaxElements = int64_t{1} << 53;      // of one tensor
constexpr int64_t kMaxPoints = int64_t{1} << 62;        // of one loop nest
constexpr int64_t kMaxProgramBytes = int64_t{1} << 60;  // of all tensors together

// Throws UserError when a tensor over these dims, called `what`, would have more than kMaxElements.
void check_volume(const Dims& dims, const std::string& what, const SourceLocation& where);

// The same for a formula or nest that runs over more than kMaxPoints points.
void check_points(const Dims& dims, const std::string& what, const SourceLocation& where);

// Throws UserError at the first tensor of the program, loop nest of it (when it is in normal form)
// or sum of bytes that is beyond a limit.
void check_sizes(const Program& program);

}  // namespace tessera
