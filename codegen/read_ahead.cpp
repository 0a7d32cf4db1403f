#include "codegen/read_ahead.h"

#include <algorithm>

#include "codegen/schedule_model.h"

namespace tessera {
namespace {

constexpr int64_t kPartOfCache = 8;  // that one point's elements of a buffer may take

int64_t bytes_of(const LoopNest& nest, const Address& address) {
  const NestBuffer& buffer = nest.buffers[static_cast<size_t>(address.buffer)];
  return buffer.elements * static_cast<int64_t>(size_of(buffer.type));
}

// Of the address, at one point of the shared loops.
int64_t bytes_of_point(const LoopNest& nest, const Address& address) {
  int64_t bytes =
      static_cast<int64_t>(size_of(nest.buffers[static_cast<size_t>(address.buffer)].type));
  for (const auto& [loop, coefficient] : address.affine.terms)
    if (std::find(nest.shared.begin(), nest.shared.end(), loop) == nest.shared.end())
      bytes *= nest.loops[static_cast<size_t>(loop)].extent;
  return bytes;
}

bool runs(const Stage& stage, int loop) {
  const auto has = [&](const std::vector<int>& loops) {
    return std::find(loops.begin(), loops.end(), loop) != loops.end();
  };
  return has(stage.free) || has(stage.reduced);
}

// Does the stage meet each element of the address once, in vectors?
bool meets_all(const LoopNest& nest, const Stage& stage, const Address& address) {
  if (address.affine.coefficient(stage.lane) != 1) return false;
  size_t met = 0;
  for (const auto& [loop, coefficient] : address.affine.terms) {
    const bool shared =
        std::find(nest.shared.begin(), nest.shared.end(), loop) != nest.shared.end();
    if (!shared && !runs(stage, loop)) return false;
    met += shared ? 0 : 1;
  }
  return met == stage.free.size() + stage.reduced.size();
}

}  // namespace

std::vector<Address> read_ahead(const LoopNest& nest, int64_t l2_bytes) {
  std::vector<Address> found;
  if (nest.stages.size() < 2 || nest.shared.empty() || nest.lane >= 0) return found;
  const Stage& last = nest.stages.back();
  if (last.lane < 0 || last.scan || last.scatters) return found;
  const int next = nest.shared.back();
  for (const Stage& stage : nest.stages) {
    for (const int n : use_of(nest, stage).nodes) {
      const Node& node = nest.nodes[static_cast<size_t>(n)];
      if (node.kind != Node::Kind::load) continue;
      Address address = node.address;
      if (nest.buffers[static_cast<size_t>(address.buffer)].argument < 0) continue;
      if (!address.terms.empty() || !address.guards.empty()) continue;
      if (address.affine.coefficient(next) == 0 || bytes_of(nest, address) <= l2_bytes) continue;
      if (bytes_of_point(nest, address) > l2_bytes / kPartOfCache) continue;
      if (!meets_all(nest, last, address)) continue;
      address.affine.constant += address.affine.coefficient(next);
      if (std::find(found.begin(), found.end(), address) == found.end()) found.push_back(address);
    }
  }
  return found;
}

}  // namespace tessera
