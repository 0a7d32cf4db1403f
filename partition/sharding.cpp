#include "partition/sharding.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"

namespace tessera {
namespace {

Interval nested_block(Interval range, int parts, int index) {
  const int64_t width = (range.size() + parts - 1) / parts;
  const int64_t begin = std::min(range.begin + width * index, range.end);
  return {begin, std::min(begin + width, range.end)};
}

}  // namespace

Interval intersect(const Interval& a, const Interval& b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

Interval block(int64_t extent, std::span<const int> sizes, std::span<const int> coordinates) {
  TESSERA_CHECK(sizes.size() == coordinates.size());
  Interval range{0, extent};
  for (size_t i = 0; i < sizes.size(); ++i) range = nested_block(range, sizes[i], coordinates[i]);
  return range;
}

Interval block(int64_t extent, const Axes& split, const Mesh& mesh, int rank) {
  if (split.empty()) return {0, extent};
  const std::vector<int> at = mesh.coordinates(rank);
  Interval range{0, extent};
  for (const int axis : split)
    range = nested_block(range, mesh.size(axis), at[static_cast<size_t>(axis)]);
  return range;
}

bool Sharding::operator==(const Sharding& other) const {
  return split == other.split && partial == other.partial && (partial.empty() || op == other.op);
}

bool Sharding::operator<(const Sharding& other) const {
  const ReduceOp left = partial.empty() ? ReduceOp::sum : op;
  const ReduceOp right = other.partial.empty() ? ReduceOp::sum : other.op;
  return std::tie(split, partial, left) < std::tie(other.split, other.partial, right);
}

bool TensorShape::operator<(const TensorShape& other) const {
  return std::tie(extents, type) < std::tie(other.extents, other.type);
}

TensorShape shape_of(const Tensor& tensor) {
  return {extents(tensor.dims()), tensor.type()};
}

Sharding replicated(size_t dims) {
  Sharding sharding;
  sharding.split.resize(dims);
  return sharding;
}

bool uses(const Sharding& sharding, int axis) {
  const auto holds = [axis](const Axes& axes) {
    return std::find(axes.begin(), axes.end(), axis) != axes.end();
  };
  return holds(sharding.partial) ||
         std::any_of(sharding.split.begin(), sharding.split.end(), holds);
}

Sharding without_unit_axes(const Sharding& sharding, const Mesh& mesh) {
  Sharding result = sharding;
  const auto unit = [&mesh](int axis) { return mesh.size(axis) == 1; };
  for (Axes& axes : result.split) std::erase_if(axes, unit);
  std::erase_if(result.partial, unit);
  return result;
}

bool well_formed(const Sharding& sharding, size_t dims, const Mesh& mesh) {
  if (sharding.split.size() != dims) return false;
  std::vector<int> seen(mesh.axes.size(), 0);
  const auto take = [&](const Axes& axes) {
    return std::all_of(axes.begin(), axes.end(), [&](int axis) {
      return axis >= 0 && axis < mesh.count() && seen[static_cast<size_t>(axis)]++ == 0;
    });
  };
  return std::all_of(sharding.split.begin(), sharding.split.end(), take) &&
         take(sharding.partial) && std::is_sorted(sharding.partial.begin(), sharding.partial.end());
}

Box local_box(const std::vector<int64_t>& extents, const Sharding& sharding, const Mesh& mesh,
              int rank) {
  TESSERA_CHECK(extents.size() == sharding.split.size());
  Box box;
  for (size_t i = 0; i < extents.size(); ++i) {
    const Interval range = block(extents[i], sharding.split[i], mesh, rank);
    box.begin.push_back(range.begin);
    box.end.push_back(range.end);
  }
  return box;
}

int64_t local_bytes(const TensorShape& shape, const Sharding& sharding, const Mesh& mesh) {
  return volume(local_box(shape.extents, sharding, mesh, 0)) *
         static_cast<int64_t>(size_of(shape.type));
}

std::string describe(const Sharding& sharding, const std::vector<std::string>& dims,
                     const Mesh& mesh) {
  TESSERA_CHECK(dims.size() == sharding.split.size());
  std::vector<std::string> parts;
  for (size_t i = 0; i < dims.size(); ++i)
    parts.push_back(sharding.split[i].empty()
                        ? dims[i]
                        : dims[i] + ": " + join(mesh.names(sharding.split[i]), " "));
  std::string text = "[" + join(parts) + "]";
  if (!sharding.partial.empty())
    text += " partial(" + std::string(name_of(sharding.op)) + ": " +
            join(mesh.names(sharding.partial), " ") + ")";
  return text;
}

std::string describe(const Sharding& sharding, const Tensor& tensor, const Mesh& mesh) {
  return describe(sharding, names(tensor.dims()), mesh);
}

}  // namespace tessera
