#include "codegen/nest_lines.h"

#include <algorithm>
#include <cmath>

#include "codegen/schedule_model.h"

namespace tessera {
namespace {

constexpr double kLine = 64;
constexpr double kSideBySide = 512;   // bytes that are fetched as a stream
constexpr double kShareOfLast = 0.5;  // of the last cache, which others use, too
constexpr double kPast = 8 << 20;     // bytes of a result that may be written past the caches
constexpr size_t kMostDepth = 16;

}  // namespace

NestLines::Walk NestLines::walk_of(const LoopNest& nest, size_t stage,
                                   const Address& address) const {
  const NestBuffer& buffer = nest.buffers[static_cast<size_t>(address.buffer)];
  Walk walk{.stage = stage,
            .element = static_cast<double>(size_of(buffer.type)),
            .whole = 0,
            .terms = {},
            .data = {},
            .written = false};
  walk.whole = static_cast<double>(buffer.elements) * walk.element;
  const std::vector<int>& order = orders_[stage];
  uint64_t through = 0;
  for (const auto& [node, stride] : address.terms)
    through |= nest.nodes[static_cast<size_t>(node)].loops;
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t step = address.affine.coefficient(order[i]);
    if ((through >> order[i] & 1) != 0)
      walk.data.push_back(static_cast<int>(i));
    else if (step != 0)
      walk.terms.push_back(
          {static_cast<int>(i), std::abs(static_cast<double>(step)) * walk.element});
  }
  std::sort(walk.terms.begin(), walk.terms.end(),
            [](const Term& a, const Term& b) { return a.stride < b.stride; });
  return walk;
}

NestLines::NestLines(const LoopNest& nest) {
  std::vector<std::pair<const Address*, bool>> seen;
  for (size_t s = 0; s < nest.stages.size(); ++s) {
    const Stage& stage = nest.stages[s];
    std::vector<int>& order = orders_.emplace_back(nest.shared);
    order.insert(order.end(), stage.free.begin(), stage.free.end());
    order.insert(order.end(), stage.reduced.begin(), stage.reduced.end());
    if (stage.scan) order.push_back(stage.scan->in);
    if (order.size() > kMostDepth) order.resize(kMostDepth);
    const StageUse use = use_of(nest, stage);
    const auto add = [&](const Address& address, bool written) {
      if (nest.buffers[static_cast<size_t>(address.buffer)].argument < 0) return;
      // Stages that meet at every point find in cache what the others read.
      const auto same = [&](const auto& other) {
        return other.second == written && other.first->buffer == address.buffer &&
               other.first->affine.terms == address.affine.terms;
      };
      if (std::any_of(seen.begin(), seen.end(), same)) return;
      seen.emplace_back(&address, written);
      walks_.push_back(walk_of(nest, s, address));
      walks_.back().written = written;
    };
    for (const int n : use.nodes) {
      const Node& node = nest.nodes[static_cast<size_t>(n)];
      if (node.kind == Node::Kind::load) add(node.address, false);
    }
    for (const Store& store : stage.inner) add(store.address, true);
    for (const Store& store : stage.outer) add(store.address, true);
  }
}

NestLines::Span NestLines::span_of(const Walk& walk, const double* trips, int depth) {
  double run = walk.element, blocks = 1;
  for (const Term& term : walk.terms) {
    if (term.position < depth) continue;
    const double trip = trips[term.position];
    if (term.stride <= std::max(run, kLine))
      run += term.stride * (trip - 1);
    else
      blocks *= trip;
  }
  for (const int position : walk.data)
    if (position >= depth) blocks *= trips[position];
  const double lines = blocks * (run + (blocks > 1 ? kLine - walk.element : 0)) / kLine;
  return {std::min(std::max(lines, 1.0), std::max(1.0, walk.whole / kLine)), run};
}

void NestLines::add_to(WorkAmounts& amounts, std::span<const double> extents,
                       const VectorTarget& target) const {
  const double caches[] = {static_cast<double>(target.l1_bytes),
                           static_cast<double>(target.l2_bytes),
                           static_cast<double>(target.l3_bytes) * kShareOfLast};
  double trips[kMostDepth];
  // By depth: what all loops from there inwards touch, over all stages for what is around them.
  double all = 0;
  for (const Walk& walk : walks_) {
    const std::vector<int>& order = orders_[walk.stage];
    for (size_t i = 0; i < order.size(); ++i) trips[i] = extents[static_cast<size_t>(order[i])];
    all += span_of(walk, trips, 0).lines * kLine;
  }
  if (all <= caches[0]) return;
  for (size_t s = 0; s < orders_.size(); ++s) {
    const std::vector<int>& order = orders_[s];
    const int depths = static_cast<int>(order.size());
    double touched[kMostDepth + 1] = {};
    for (int i = 0; i < depths; ++i)
      trips[i] = extents[static_cast<size_t>(order[static_cast<size_t>(i)])];
    for (int depth = 0; depth <= depths; ++depth)
      for (const Walk& walk : walks_)
        if (walk.stage == s) touched[depth] += span_of(walk, trips, depth).lines * kLine;
    for (int level = 0; level < 3 && all > caches[level]; ++level) {
      int depth = 0;
      while (depth < depths && touched[depth] > caches[level]) ++depth;
      for (const Walk& walk : walks_) {
        if (walk.stage != s) continue;
        // Of one step of the loop around them to the next, what is the same is still there.
        const int from = std::max(depth - 1, 0);
        const Span span = span_of(walk, trips, from);
        double lines = span.lines;
        for (int i = 0; i < from; ++i) lines *= trips[i];
        const bool apart = span.run < kSideBySide;
        if (level == 2 && walk.written) {
          const WorkKind work = walk.whole >= std::max(kPast, 2 * caches[2])
                                    ? WorkKind::line_written_past
                                    : WorkKind::line_written;
          amounts[static_cast<size_t>(work)] += lines;
          continue;
        }
        amounts[kFirstLine + static_cast<size_t>(2 * level) + (apart ? 1 : 0)] += lines;
      }
    }
  }
}

}  // namespace tessera
