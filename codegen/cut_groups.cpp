#include "codegen/cut_groups.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "codegen/blocked_group.h"
#include "codegen/lower.h"
#include "codegen/nest_price.h"
#include "codegen/schedule.h"
#include "codegen/work_prices.h"

namespace tessera {
namespace {

constexpr double kGain = 0.8;    // prices are not exact
constexpr double kLeast = 50e3;  // cycles; what takes less stays whole

class Cutter {
 public:
  explicit Cutter(const VectorTarget& target) : target_(target) {}

  void add(const KernelGroup& group, std::vector<KernelGroup>& result) {
    if (group.nests.size() > 1 && runs_as_loop_nest(group)) {
      const double whole = price_of(group);
      if (whole >= kLeast) {
        if (const auto parts = best_cut(group, kGain * whole)) {
          add(parts->first, result);
          add(parts->second, result);
          return;
        }
      }
    }
    result.push_back(group);
  }

 private:
  using Parts = std::pair<KernelGroup, KernelGroup>;

  // The cheapest of those that stay below `limit`.
  std::optional<Parts> best_cut(const KernelGroup& group, double limit) {
    std::optional<Parts> best;
    for (size_t first = 1; first < group.nests.size(); ++first) {
      Parts parts = cut(group, first);
      double price = launch();
      for (const KernelGroup* part : {&parts.first, &parts.second}) price += price_of(*part);
      if (price >= limit) continue;
      limit = price;
      best = std::move(parts);
    }
    return best;
  }

  Parts cut(const KernelGroup& group, size_t first) const {
    const auto middle = group.nests.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<Nest> before(group.nests.begin(), middle), after(middle, group.nests.end());
    std::set<Tensor> needed(group.outputs.begin(), group.outputs.end());
    const KernelGroup second = make_group(after, needed);
    needed.insert(second.inputs.begin(), second.inputs.end());
    return {make_group(before, needed), second};
  }

  double launch() const { return prices_of(target_)[static_cast<size_t>(WorkKind::launch)]; }

  // As one loop nest, whatever it will run as.
  double price_of(const KernelGroup& group) {
    const auto [known, is_new] = known_.emplace(canonical_text(group), 0);
    if (is_new) {
      LoopNest nest = lower(group);
      schedule(nest, {target_, 1});
      known->second = nest_price(nest, target_);
    }
    return known->second;
  }

  const VectorTarget target_;
  std::map<std::string, double> known_;
};

}  // namespace

std::vector<KernelGroup> cut_groups(const std::vector<KernelGroup>& groups,
                                    const VectorTarget& target) {
  Cutter cutter(target);
  std::vector<KernelGroup> result;
  for (const KernelGroup& group : groups) cutter.add(group, result);
  return result;
}

}  // namespace tessera
