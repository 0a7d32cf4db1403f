#include "codegen/gpu/split_stages.h"

#include <algorithm>

namespace tessera {
namespace {

int64_t points_of(const LoopNest& nest) {
  int64_t points = 1;
  for (const int loop : nest.shared) points *= nest.loops[static_cast<size_t>(loop)].extent;
  return points;
}

bool runs_in_one_launch(const LoopNest& nest) {
  if (nest.stages.size() == 1) return true;
  int64_t bytes = 0;
  for (const NestBuffer& buffer : nest.buffers)
    if (buffer.argument < 0) bytes += buffer.elements * static_cast<int64_t>(size_of(buffer.type));
  const bool plain = std::none_of(nest.stages.begin(), nest.stages.end(), [](const Stage& stage) {
    return stage.scatters || stage.scan.has_value();
  });
  return plain && bytes <= kMostPointBytes && points_of(nest) >= kEnoughTeams;
}

// Each point's scratch in a place of its own.
class Spread {
 public:
  Spread(LoopNest& nest, std::vector<int64_t>& workspaces) : nest_(nest) {
    for (NestBuffer& buffer : nest.buffers) {
      is_scratch_.push_back(buffer.argument < 0);
      elements_.push_back(buffer.elements);
      if (buffer.argument >= 0) continue;
      buffer.argument = nest.arguments++;
      buffer.elements *= points_of(nest);
      workspaces.push_back(buffer.elements * static_cast<int64_t>(size_of(buffer.type)));
    }
    for (Node& node : nest.nodes)
      if (node.kind == Node::Kind::load) spread(node.address);
    for (Stage& stage : nest.stages)
      for (std::vector<Store>* stores : {&stage.inner, &stage.outer})
        for (Store& store : *stores) {
          spread(store.address);
          if (store.lost) spread(*store.lost);
        }
  }

 private:
  void spread(Address& address) {
    if (!is_scratch_[static_cast<size_t>(address.buffer)]) return;
    int64_t step = elements_[static_cast<size_t>(address.buffer)];
    for (size_t i = nest_.shared.size(); i-- > 0;) {
      const int loop = nest_.shared[i];
      address.affine.terms.emplace_back(loop, step);
      step *= nest_.loops[static_cast<size_t>(loop)].extent;
    }
    std::sort(address.affine.terms.begin(), address.affine.terms.end());
    std::erase_if(address.affine.terms, [](const auto& term) { return term.second == 0; });
  }

  LoopNest& nest_;
  std::vector<bool> is_scratch_;
  std::vector<int64_t> elements_;
};

}  // namespace

StageLaunches split_stages(const LoopNest& nest) {
  if (runs_in_one_launch(nest)) return {{nest}, {}};
  StageLaunches result;
  LoopNest whole = nest;
  Spread(whole, result.workspaces);
  for (const Stage& stage : whole.stages) {
    LoopNest& alone = result.nests.emplace_back(whole);
    alone.stages = {stage};
    alone.shared.insert(alone.shared.end(), stage.free.begin(), stage.free.end());
    alone.stages[0].free.clear();
  }
  return result;
}

}  // namespace tessera
