#include "codegen/transposed_loads.h"

#include <algorithm>
#include <cstdlib>

#include "codegen/lane_places.h"
#include "codegen/schedule_model.h"

namespace tessera {
namespace {

constexpr int kLeastLanes = 4;

}  // namespace

bool lies_along(const LoopNest& nest, const Address& address, int lane, int loop) {
  if (loop == lane || address.affine.coefficient(loop) != 1 || !address.guards.empty())
    return false;
  if (nest.loops[static_cast<size_t>(loop)].extent < 2) return false;
  const NestBuffer& buffer = nest.buffers[static_cast<size_t>(address.buffer)];
  if (buffer.argument < 0 || buffer.type == DType::b8) return false;
  const uint64_t either = uint64_t{1} << lane | uint64_t{1} << loop;
  return std::none_of(address.terms.begin(), address.terms.end(), [&](const auto& term) {
    return (nest.nodes[static_cast<size_t>(term.first)].loops & either) != 0;
  });
}

int innermost_loop(const LoopNest& nest, const Stage& stage) {
  if (stage.scan) return -1;
  const std::vector<int>& loops = !stage.reduced.empty() ? stage.reduced
                                  : !stage.free.empty()  ? stage.free
                                                         : nest.shared;
  const bool shared = stage.reduced.empty() && stage.free.empty();
  if (loops.empty() || (shared && nest.stages.size() != 1)) return -1;
  const int lane = nest.lane >= 0 ? nest.lane : stage.lane;
  return loops.back() == lane ? -1 : loops.back();
}

std::vector<int> transposed_loads(const LoopNest& nest, const Stage& stage, int register_bytes) {
  std::vector<int> found;
  const int loop = innermost_loop(nest, stage);
  const int lane = nest.lane >= 0 ? nest.lane : stage.lane;
  const int lanes = nest.lane >= 0 ? nest.lanes : stage.lanes;
  if (loop < 0 || lane < 0 || lanes < kLeastLanes) return found;
  for (const int index : use_of(nest, stage).nodes) {
    const Node& node = nest.nodes[static_cast<size_t>(index)];
    if (node.kind != Node::Kind::load || !lies_along(nest, node.address, lane, loop)) continue;
    const int width = std::min(lanes, register_bytes / static_cast<int>(size_of(node.type)));
    const auto places = lane_places(nest, node.address, lane, width);
    if (places && registers_of(*places, width) > kMostNearRegisters) found.push_back(index);
  }
  return found;
}

TransposedStores transposed_stores(const LoopNest& nest) {
  if (nest.stages.size() != 1 || nest.strip > 0) return {};
  const Stage& stage = nest.stages[0];
  const int lane = nest.lane >= 0 ? nest.lane : stage.lane;
  const int lanes = nest.lane >= 0 ? nest.lanes : stage.lanes;
  if (stage.scan || stage.scatters || lane < 0 || lanes < kLeastLanes) return {};
  const std::vector<int>& loops = !stage.free.empty() ? stage.free : nest.shared;
  if (loops.empty() || loops.back() == lane) return {};
  const bool reduces = !stage.reduced.empty();
  // Loads and stores that are transposed along one loop would be better off without.
  if (!reduces && !stage.transposed.empty()) return {};
  if (reduces &&
      (!stage.inner.empty() || std::count(stage.reduced.begin(), stage.reduced.end(), lane) != 0))
    return {};
  TransposedStores found{loops.back(), {}};
  const std::vector<Store>& stores = reduces ? stage.outer : stage.inner;
  for (size_t i = 0; i < stores.size(); ++i) {
    const Address& address = stores[i].address;
    const int64_t apart = address.affine.coefficient(lane);
    if (stores[i].accumulate || !address.terms.empty() || std::abs(apart) < 2) continue;
    if (lies_along(nest, address, lane, found.loop)) found.stores.push_back(static_cast<int>(i));
  }
  return found.stores.empty() ? TransposedStores{} : found;
}

}  // namespace tessera
