#include "placement/distances.h"

#include <algorithm>
#include <queue>

#include "base/error.h"
#include "partition/moves.h"
#include "placement/network.h"

namespace tessera {
namespace {

unsigned bits(const Axes& axes) {
  unsigned result = 0;
  for (int axis : axes) result |= 1U << axis;
  return result;
}

}  // namespace

Distances::Graph& Distances::graph_of(const TensorShape& shape) {
  std::unique_ptr<Graph>& graph = graphs_[shape];
  if (!graph) {
    graph = std::make_unique<Graph>();
    graph->shape = shape;
  }
  return *graph;
}

// Prices do not depend on the op of partial shardings, so there is one state for all ops.
int32_t Distances::state_of(Graph& graph, const Sharding& sharding) {
  Sharding plain = sharding;
  plain.op = ReduceOp::sum;
  auto [it, fresh] = graph.index.emplace(plain, static_cast<int32_t>(graph.states.size()));
  if (!fresh) return it->second;
  Traits traits;
  for (const Axes& split : plain.split) traits.split_axes |= bits(split);
  traits.partial = bits(plain.partial);
  graph.states.push_back(std::move(plain));
  graph.traits.push_back(traits);
  graph.moves.emplace_back();
  graph.expanded.push_back(false);
  return it->second;
}

// Every move that some target allows; `search` leaves out those that its target does not.
void Distances::expand(Graph& graph, int32_t state) {
  if (graph.expanded[state]) return;
  graph.expanded[state] = true;
  Sharding at = graph.states[state], everywhere = replicated(at.split.size());
  Axes all;
  for (int axis = 0; axis < mesh_.count(); ++axis) all.push_back(axis);
  if (!everywhere.split.empty()) everywhere.split[0] = all;
  std::vector<ReshardStep> steps = moves_from(at, {everywhere, everywhere}, mesh_);
  Sharding partial = replicated(at.split.size());
  partial.partial = all;
  for (ReshardStep& step : moves_from(at, {at, partial}, mesh_))
    if (step.kind == CommKind::mask) steps.push_back(std::move(step));
  for (ReshardStep& step : steps) {
    int64_t bytes = busiest_bytes(graph.shape, at, step, mesh_);
    Move move{state_of(graph, step.after), step.kind, bits(step.axes),
              cost_.seconds(step.kind, mesh_, step.axes, bytes)};
    graph.moves[state].push_back(move);
  }
}

double Distances::search(Graph& graph, int32_t from, int32_t to) {
  Traits target = graph.traits[to];
  auto allowed = [&](const Move& move) {
    if (move.kind == CommKind::all_gather) return true;
    if (move.kind == CommKind::mask) return (move.axes & ~target.partial) == 0;
    bool reduces = move.kind == CommKind::all_reduce || move.kind == CommKind::reduce_scatter;
    if (reduces && (move.axes & target.partial) != 0) return false;
    return move.kind != CommKind::slice || (move.axes & ~target.split_axes) == 0;
  };
  std::vector<double> best(graph.states.size(), kForbidden);
  using Entry = std::pair<double, int32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  best[from] = 0;
  queue.push({0, from});
  while (!queue.empty()) {
    auto [seconds, state] = queue.top();
    queue.pop();
    if (state == to) return seconds;
    if (seconds > best[state]) continue;
    expand(graph, state);
    best.resize(graph.states.size(), kForbidden);
    for (const Move& move : graph.moves[state]) {
      if (!allowed(move) || seconds + move.seconds >= best[move.to]) continue;
      best[move.to] = seconds + move.seconds;
      queue.push({best[move.to], move.to});
    }
  }
  TESSERA_CHECK(false) << "no way from one sharding to the other";
  return kForbidden;
}

double Distances::between(const TensorShape& shape, const Sharding& from, const Sharding& to) {
  if (!from.partial.empty() && !to.partial.empty() && from.op != to.op)  // rare
    return reshard(shape, from, to, mesh_, cost_).seconds;
  Graph& graph = graph_of(shape);
  int32_t a = state_of(graph, from), b = state_of(graph, to);
  if (a == b) return 0;
  auto [it, fresh] = graph.known.emplace(std::make_pair(a, b), 0.0);
  if (fresh) {
    double found = search(graph, a, b);
    it = graph.known.find({a, b});
    it->second = found;
  }
  return it->second;
}

}  // namespace tessera
