#pragma once

#include <cstddef>
#include <span>

#include "base/dtype.h"

namespace tessera {

// Bytes reduced at a time where the result is also copied on: they stay in the first-level cache.
inline constexpr size_t kReduceBlock = 16 * 1024;

// Numbers have sum, prod, max and min; booleans have prod, max, min, any and all. Throws
// InternalError for anything else.
void check_reduction(ReduceOp op, DType type);

// into[i] = ((sources[0][i] op sources[1][i]) op sources[2][i]) op ..., for i < count.
// Integers wrap; max and min of floats propagate NaN. `into` may equal a source, but may not
// overlap one in part.
//
//   reduce(DType::i32, ReduceOp::sum, out, {{a, b}}, 2)     a = {1, 2}, b = {3, 4}: out = {4, 6}
void reduce(DType type, ReduceOp op, void* into, std::span<const void* const> sources,
            size_t count);

// The part of `count` elements that rank `index` of `parts` works on. Parts are in order, cover
// everything, and begin at multiples of 64 elements; the last ones may be empty.
struct Slice {
  size_t begin = 0;
  size_t size = 0;
};
Slice slice_of(size_t count, size_t parts, size_t index);

}  // namespace tessera
