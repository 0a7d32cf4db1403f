#include "partition/halo.h"

#include <algorithm>

#include "ir/index_range.h"

namespace tessera {
namespace {

// The range of an affine index on `rank`, cut to the extent.
Interval reach(const Affine& form, int64_t extent, const NestRules& rules,
               const Assignment& assignment, const Mesh& mesh, int rank) {
  int64_t low = form.constant;
  int64_t high = form.constant;
  for (const auto& [dim, coefficient] : form.terms) {
    const Interval range = block(dim.extent(), rules.loop_axes(dim, assignment), mesh, rank);
    if (range.size() == 0) return {0, 0};
    low += coefficient * (coefficient > 0 ? range.begin : range.end - 1);
    high += coefficient * (coefficient > 0 ? range.end - 1 : range.begin);
  }
  const Interval cut{std::max<int64_t>(low, 0), std::min(high + 1, extent)};
  return cut.size() > 0 ? cut : Interval{0, 0};
}

Axes axes_of(const Affine& form, const NestRules& rules, const Assignment& assignment,
             const Mesh& mesh) {
  Axes axes;
  for (const auto& [dim, coefficient] : form.terms)
    for (const int axis : rules.loop_axes(dim, assignment))
      if (mesh.size(axis) > 1) axes.push_back(axis);
  return axes;
}

}  // namespace

std::optional<HaloDemand> halo_demand(const NestRules& rules, size_t operand,
                                      const Assignment& assignment, const Mesh& mesh) {
  const Read& read = *as<Read>(rules.operands()[operand]);
  HaloDemand demand{without_unit_axes(rules.operand_sharding(operand, assignment), mesh), {}};
  for (size_t i = 0; i < read.indices.size(); ++i) {
    const std::optional<Affine> form = affine_form(read.indices[i].value);
    if (!form || !demand.base.split[i].empty()) continue;
    const Axes axes = axes_of(*form, rules, assignment, mesh);
    const bool taken = std::any_of(axes.begin(), axes.end(),
                                   [&demand](int axis) { return uses(demand.base, axis); });
    if (axes.empty() || taken) continue;
    demand.base.split[i] = axes;
    HaloWindow window{static_cast<int>(i), axes, {}};
    for (const int member : mesh.group(0, axes))
      window.members.push_back(
          reach(*form, read.tensor.dims()[i].extent(), rules, assignment, mesh, member));
    demand.windows.push_back(std::move(window));
  }
  if (demand.windows.empty()) return std::nullopt;
  return demand;
}

int64_t halo_bytes(const TensorShape& shape, const Sharding& base, const HaloWindow& window,
                   const Mesh& mesh) {
  auto rest = static_cast<int64_t>(size_of(shape.type));
  const auto dim = static_cast<size_t>(window.dim);
  for (size_t i = 0; i < shape.extents.size(); ++i)
    if (i != dim) rest *= block(shape.extents[i], base.split[i], mesh, 0).size();
  std::vector<Interval> owned;
  for (const int member : mesh.group(0, window.axes))
    owned.push_back(block(shape.extents[dim], window.axes, mesh, member));
  int64_t most = 0;
  for (size_t me = 0; me < owned.size(); ++me) {
    int64_t received = 0;
    int64_t sent = 0;
    for (size_t other = 0; other < owned.size(); ++other) {
      if (other == me) continue;
      received += intersect(window.members[me], owned[other]).size();
      sent += intersect(window.members[other], owned[me]).size();
    }
    most = std::max({most, received, sent});
  }
  return most * rest;
}

double halo_seconds(const TensorShape& shape, const HaloDemand& demand, const Mesh& mesh,
                    const CommCost& cost) {
  double seconds = 0;
  for (const HaloWindow& window : demand.windows)
    seconds += cost.seconds(CommKind::halo, mesh, window.axes,
                            halo_bytes(shape, demand.base, window, mesh));
  return seconds;
}

}  // namespace tessera
