#include "partition/comm_steps.h"

#include <algorithm>

namespace tessera {

CommStep CommSteps::unfilled(CommKind kind, const Axes& axes, const Tensor& input,
                             const Tensor& origin) const {
  return {kind,
          axes,
          mesh_.group(rank_, axes),
          mesh_.position_in_group(rank_, axes),
          input,
          input,
          ReduceOp::sum,
          -1,
          -1,
          {},
          {},
          {},
          {},
          0,
          origin.name()};
}

CommStep CommSteps::resharding(const Tensor& tensor, const Version& from, const ReshardStep& step,
                               const Tensor& output) const {
  CommStep made = unfilled(step.kind, step.axes, from.part.local, tensor);
  made.output = output;
  made.op = from.sharding.op;
  made.gather_dim = step.gather_dim;
  made.scatter_dim = step.scatter_dim;
  if (step.gather_dim >= 0)
    made.gather_blocks = blocks(tensor, step.gather_dim, from.sharding, step.after, made.group);
  if (step.scatter_dim >= 0)
    made.scatter_blocks = blocks(tensor, step.scatter_dim, step.after, from.sharding, made.group);
  return made;
}

// Each member's range under `fine`, counted from the beginning of this rank's under `coarse`.
std::vector<Interval> CommSteps::blocks(const Tensor& tensor, int at, const Sharding& fine,
                                        const Sharding& coarse,
                                        const std::vector<int>& group) const {
  const auto dim = static_cast<size_t>(at);
  const int64_t extent = tensor.dims()[dim].extent();
  const int64_t origin = block(extent, coarse.split[dim], mesh_, rank_).begin;
  std::vector<Interval> result;
  for (const int member : group) {
    const Interval range = block(extent, fine.split[dim], mesh_, member);
    result.push_back({range.begin - origin, range.end - origin});
  }
  return result;
}

CommStep CommSteps::around(const Tensor& input, const Tensor& origin, const TurningLoop& turning,
                           const Around& around) const {
  const CommKind kind = around.turn == 0 ? CommKind::window : CommKind::halo;
  CommStep step = unfilled(kind, {around.axis}, input, origin);
  step.gather_dim = step.scatter_dim = around.dim;
  const auto had = [&](int rank) { return turning.held(rank, around.axis, around.turn - 1); };
  const auto wants = [&](int rank) { return turning.block(rank, around.turn); };
  const auto dim = static_cast<size_t>(around.dim);
  const int64_t before = around.box.end[dim] - around.box.begin[dim];
  const int64_t after = turning.range(rank_, around.turn).size();
  for (size_t m = 0; m < step.group.size(); ++m) {
    const int member = static_cast<int>(m), rank = step.group[m];
    if (before > 0 && wants(rank) == had(rank_)) step.sends.push_back({member, {0, before}});
    if (after > 0 && had(rank) == wants(rank_)) step.receives.push_back({member, {0, after}});
  }
  return step;
}

int64_t piece_bytes(const CommStep& step, size_t loops) {
  const auto moved = [&step](const std::vector<Piece>& list) {
    int64_t size = 0;
    for (const Piece& piece : list) size += piece.member == step.me ? 0 : piece.range.size();
    return size;
  };
  auto row = static_cast<int64_t>(size_of(step.input.type()));
  for (size_t i = loops; i < step.output.dims().size(); ++i)
    if (static_cast<int>(i) != step.gather_dim) row *= step.output.dims()[i].extent();
  return std::max(moved(step.receives), moved(step.sends)) * row;
}

int64_t copied_bytes(const CommStep& step, size_t loops) {
  // Of the tensor, where `dim` is not the outermost one; or wherever it is.
  const auto bytes_of = [loops](const Tensor& tensor, int dim, bool wherever) {
    auto bytes = static_cast<int64_t>(size_of(tensor.type()));
    int64_t outer = 1;
    for (size_t i = loops; i < tensor.dims().size(); ++i) {
      bytes *= tensor.dims()[i].extent();
      if (static_cast<int>(i) < dim) outer *= tensor.dims()[i].extent();
    }
    return dim >= 0 && (wherever || outer > 1) ? bytes : 0;
  };
  const int64_t placed = bytes_of(step.output, step.gather_dim, false);
  if (has_pieces(step.kind)) {
    const bool own = std::any_of(step.receives.begin(), step.receives.end(),
                                 [&](const Piece& piece) { return piece.member == step.me; });
    return (own ? bytes_of(step.output, step.gather_dim, true) : 0) + 2 * placed;
  }
  return bytes_of(step.input, step.scatter_dim, false) + placed;
}

}  // namespace tessera
