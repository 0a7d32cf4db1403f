#include "partition/moves.h"

#include <algorithm>

namespace tessera {
namespace {

class Moves {
 public:
  Moves(const Sharding& at, const MoveTarget& target, const Mesh& mesh)
      : at_(at), target_(target), mesh_(mesh) {}

  std::vector<ReshardStep> all() {
    for (size_t d = 0; d < at_.split.size(); ++d) gathers(d);
    reductions();
    for (size_t d = 0; d < at_.split.size(); ++d) {
      for (size_t s = 0; s < at_.split.size(); ++s)
        if (s != d && !at_.split[s].empty()) exchange(s, d);
      for (int axis = 0; axis < mesh_.count(); ++axis)
        if (!uses(at_, axis) && uses_split(target_.to, axis)) slice(axis, d);
    }
    if (at_.partial.empty() || at_.op == target_.to.op)
      for (const int axis : target_.to.partial)
        if (!uses(at_, axis)) mask(axis);
    return std::move(found_);
  }

 private:
  static bool holds(const Axes& axes, int axis) {
    return std::find(axes.begin(), axes.end(), axis) != axes.end();
  }

  static bool uses_split(const Sharding& sharding, int axis) {
    return std::any_of(sharding.split.begin(), sharding.split.end(),
                       [axis](const Axes& axes) { return holds(axes, axis); });
  }

  ReshardStep& add(CommKind kind, Axes axes) {
    ReshardStep step;
    step.kind = kind;
    step.axes = std::move(axes);
    step.after = at_;
    found_.push_back(std::move(step));
    return found_.back();
  }

  // Any number of the innermost axes at once.
  void gathers(size_t dim) {
    const Axes& split = at_.split[dim];
    for (size_t keep = split.size(); keep-- > 0;) {
      ReshardStep& step = add(CommKind::all_gather,
                              Axes(split.begin() + static_cast<std::ptrdiff_t>(keep), split.end()));
      step.gather_dim = static_cast<int>(dim);
      step.after.split[dim].resize(keep);
    }
  }

  // Every set of the partial axes that must go; scattered in every order.
  void reductions() {
    Axes goes = at_.partial;
    if (target_.to.op == at_.op)
      std::erase_if(goes, [this](int axis) { return holds(target_.to.partial, axis); });
    for (unsigned bits = 1; bits < 1U << goes.size(); ++bits) {
      Axes axes;
      for (size_t i = 0; i < goes.size(); ++i)
        if ((bits >> i & 1U) != 0) axes.push_back(goes[i]);
      remove_partial(add(CommKind::all_reduce, axes), axes);
      do {
        for (size_t d = 0; d < at_.split.size(); ++d) scatter(axes, d);
      } while (std::next_permutation(axes.begin(), axes.end()));
    }
  }

  void scatter(const Axes& axes, size_t dim) {
    ReshardStep& step = add(CommKind::reduce_scatter, axes);
    step.scatter_dim = static_cast<int>(dim);
    remove_partial(step, axes);
    step.after.split[dim].insert(step.after.split[dim].end(), axes.begin(), axes.end());
  }

  static void remove_partial(ReshardStep& step, const Axes& axes) {
    std::erase_if(step.after.partial, [&axes](int axis) { return holds(axes, axis); });
  }

  void exchange(size_t gathered, size_t scattered) {
    const int axis = at_.split[gathered].back();
    ReshardStep& step = add(CommKind::all_to_all, {axis});
    step.gather_dim = static_cast<int>(gathered);
    step.scatter_dim = static_cast<int>(scattered);
    step.after.split[gathered].pop_back();
    step.after.split[scattered].push_back(axis);
  }

  void slice(int axis, size_t dim) {
    ReshardStep& step = add(CommKind::slice, {axis});
    step.scatter_dim = static_cast<int>(dim);
    step.after.split[dim].push_back(axis);
  }

  void mask(int axis) {
    ReshardStep& step = add(CommKind::mask, {axis});
    step.after.op = target_.to.op;
    step.after.partial.push_back(axis);
    std::sort(step.after.partial.begin(), step.after.partial.end());
  }

  const Sharding& at_;
  const MoveTarget& target_;
  const Mesh& mesh_;
  std::vector<ReshardStep> found_;
};

}  // namespace

std::vector<ReshardStep> moves_from(const Sharding& at, const MoveTarget& target,
                                    const Mesh& mesh) {
  return Moves(at, target, mesh).all();
}

}  // namespace tessera
