#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "ir/expr.h"
#include "ir/random.h"
#include "partition/mesh.h"

namespace tessera {

// begin … end-1.
struct Interval {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
  bool operator==(const Interval&) const = default;
};
Interval intersect(const Interval& a, const Interval& b);  // {x, x} when they do not meet

// The part of 0 … extent-1 at `coordinates` when the extent is split into sizes[0] blocks, each of
// these into sizes[1] blocks, and so on. A range of n splits over k into blocks of ceil(n / k); the
// last ones may be shorter or empty. Because splits nest, undoing the innermost one joins the
// blocks of neighbours: it is always an all-gather within the innermost group.
//
//   block(10, {4}, {1}) == [3, 6)     blocks 3 3 3 1
//   block(10, {2, 2}, {1, 0}) == [5, 8)
Interval block(int64_t extent, std::span<const int> sizes, std::span<const int> coordinates);

// Where the elements of one tensor are: for each of its dims, in declared order, the axes that
// split it, outermost first; and the axes over which it is still partial, that is, over which the
// true value is the combination by `op` of what the ranks hold. Along every other axis it is
// replicated. An axis occurs at most once.
//
//   w1[pixel, hidden] split over model along hidden:  {{{}, {1}}, {}, sum}
struct Sharding {
  std::vector<Axes> split;
  Axes partial;  // ascending
  ReduceOp op = ReduceOp::sum;

  // Two shardings that are not partial are equal whatever their op.
  bool operator==(const Sharding& other) const;
  bool operator<(const Sharding& other) const;
};

// What resharding needs to know of a tensor.
struct TensorShape {
  std::vector<int64_t> extents;
  DType type = DType::f32;

  bool operator==(const TensorShape&) const = default;
  bool operator<(const TensorShape& other) const;
};
TensorShape shape_of(const Tensor& tensor);

Sharding replicated(size_t dims);
inline Sharding replicated(const Tensor& tensor) {
  return replicated(tensor.dims().size());
}
bool uses(const Sharding& sharding, int axis);  // splits over it, or is partial over it
// The same without the axes of size 1, which hold everything anyway.
Sharding without_unit_axes(const Sharding& sharding, const Mesh& mesh);
// Is every axis known to the mesh and used at most once, and is there one list per dim?
bool well_formed(const Sharding& sharding, size_t dims, const Mesh& mesh);

Interval block(int64_t extent, const Axes& split, const Mesh& mesh, int rank);
// The part of the tensor that `rank` holds, in declared order of dims.
Box local_box(const std::vector<int64_t>& extents, const Sharding& sharding, const Mesh& mesh,
              int rank);
// Bytes that the rank with the most holds: the first one, because blocks never grow.
int64_t local_bytes(const TensorShape& shape, const Sharding& sharding, const Mesh& mesh);

// "[pixel, hidden: model]", "[batch: data, label] partial(sum: model)", "[]".
std::string describe(const Sharding& sharding, const std::vector<std::string>& dims,
                     const Mesh& mesh);
std::string describe(const Sharding& sharding, const Tensor& tensor, const Mesh& mesh);

}  // namespace tessera
