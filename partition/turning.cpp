#include "partition/turning.h"

#include <set>
#include <utility>

#include "base/error.h"

namespace tessera {

TurningLoop::TurningLoop(const NestRules& rules, const Assignment& assignment, const Mesh& mesh)
    : mesh_(mesh), loop_(*rules.turning(assignment)), split_(rules.loop_axes(loop_, assignment)) {
  for (const int axis : NestRules::turning_axes(assignment))
    if (mesh.size(axis) > 1) axes_.push_back(axis);
  if (!axes_.empty()) count_ = mesh.size(axes_[0]);
}

int TurningLoop::block(int rank, int turn) const {
  const std::vector<int> at = mesh_.coordinates(rank);
  int block = turn;
  for (const int axis : axes_) block += at[static_cast<size_t>(axis)];
  return block % count_;
}

int TurningLoop::held(int rank, int axis, int turn) const {
  if (turn >= 0) return block(rank, turn);
  return mesh_.coordinates(rank)[static_cast<size_t>(axis)];
}

Interval TurningLoop::range(int rank, int turn) const {
  const Interval all = tessera::block(loop_.extent(), split_, mesh_, rank);
  const int sizes[] = {count_}, at[] = {block(rank, turn)};
  const Interval part = tessera::block(all.size(), sizes, at);
  return {all.begin + part.begin, all.begin + part.end};
}

int TurningLoop::position_in(const NestRules& rules, size_t operand) const {
  const Read& read = *as<Read>(rules.operands()[operand]);
  for (size_t i = 0; i < read.indices.size(); ++i)
    if (contains(read.indices[i].value.dims(), loop_)) return static_cast<int>(i);
  TESSERA_CHECK(false) << read.tensor.name() << " does not go around";
  return -1;
}

double turning_seconds(const NestRules& rules, const Assignment& assignment, const Mesh& mesh,
                       const CommCost& cost) {
  if (!rules.turning(assignment)) return 0;
  const TurningLoop turning(rules, assignment, mesh);
  std::set<std::pair<Tensor, Sharding>> seen;
  double seconds = 0;
  for (size_t k = 0; k < rules.operands().size(); ++k) {
    const int axis = rules.turning_axis(k, assignment);
    if (axis < 0 || mesh.size(axis) == 1) continue;
    const Sharding form = rules.operand_sharding(k, assignment);
    const Tensor& tensor = rules.operand_tensor(k);
    if (!seen.emplace(tensor, form).second) continue;
    const TensorShape shape = shape_of(tensor);
    const int64_t bytes = local_bytes(shape, form, mesh);
    int64_t outer = 1;  // blocks along another dim are packed, and put in place
    for (int i = 0; i < turning.position_in(rules, k); ++i)
      outer *=
          block(shape.extents[static_cast<size_t>(i)], form.split[static_cast<size_t>(i)], mesh, 0)
              .size();
    const double copying = cost.copying(outer > 1 ? 2 * bytes : 0);
    seconds +=
        (turning.count() - 1) * (cost.seconds(CommKind::halo, mesh, {axis}, bytes) + copying);
    if (turning.skews()) seconds += cost.seconds(CommKind::window, mesh, {axis}, bytes) + copying;
  }
  return seconds;
}

}  // namespace tessera
