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

// Every move that some target allows; a search leaves out those that its target does not.
std::vector<ReshardStep> all_moves(const Sharding& at, const Mesh& mesh) {
  Sharding everywhere = replicated(at.split.size());
  Axes all;
  for (int axis = 0; axis < mesh.count(); ++axis) all.push_back(axis);
  if (!everywhere.split.empty()) everywhere.split[0] = all;
  std::vector<ReshardStep> steps = moves_from(at, {everywhere, everywhere}, mesh);
  Sharding partial = replicated(at.split.size());
  partial.partial = all;
  for (ReshardStep& step : moves_from(at, {at, partial}, mesh))
    if (step.kind == CommKind::mask) steps.push_back(std::move(step));
  return steps;
}

}  // namespace

// Prices do not depend on the op of partial shardings, so there is one state for all ops.
int32_t Distances::state_of(Graph& graph, const Sharding& sharding) const {
  Sharding plain = sharding;
  plain.op = ReduceOp::sum;
  auto [it, fresh] = graph.index.emplace(plain, static_cast<int32_t>(graph.states.size()));
  if (!fresh) return it->second;
  Traits traits;
  for (const Axes& split : plain.split) traits.split_axes |= bits(split);
  traits.partial = bits(plain.partial);
  graph.states.push_back(std::move(plain));
  graph.traits.push_back(traits);
  graph.into.emplace_back();
  return it->second;
}

const Distances::Graph& Distances::graph_of(size_t dims) {
  std::unique_ptr<Graph>& graph = graphs_[dims];
  if (graph) return *graph;
  graph = std::make_unique<Graph>();
  const Forms forms(dims, mesh_.count());
  for (int form = 0; form < forms.count(); ++form)
    graph->of_form.push_back(state_of(*graph, forms.sharding(form)));
  for (size_t from = 0; from < graph->states.size(); ++from) {
    const Sharding at = graph->states[from];
    for (ReshardStep& step : all_moves(at, mesh_)) {
      const int32_t to = state_of(*graph, step.after);
      const unsigned axes = bits(step.axes);
      graph->into[static_cast<size_t>(to)].push_back(
          {static_cast<int32_t>(from), std::move(step), axes, graph->moves++});
    }
  }
  return *graph;
}

Distances::Priced& Distances::priced(const TensorShape& shape) {
  std::unique_ptr<Priced>& priced = priced_[shape];
  if (priced) return *priced;
  priced = std::make_unique<Priced>();
  priced->graph = &graph_of(shape.extents.size());
  const Graph& graph = *priced->graph;
  priced->seconds.resize(graph.moves);
  for (const std::vector<Move>& moves : graph.into)
    for (const Move& move : moves) {
      const Sharding& before = graph.states[static_cast<size_t>(move.other)];
      priced->seconds[move.price] = seconds_of(shape, before, move.step, mesh_, cost_);
    }
  priced->by_target.resize(graph.states.size());
  priced->by_form.resize(graph.states.size());
  return *priced;
}

int32_t Distances::find(const Graph& graph, const Sharding& sharding) {
  if (sharding.op == ReduceOp::sum || sharding.partial.empty()) {
    const auto it = graph.index.find(sharding);
    if (it != graph.index.end()) return it->second;
  }
  Sharding plain = sharding;
  plain.op = ReduceOp::sum;
  const auto it = graph.index.find(plain);
  TESSERA_CHECK(it != graph.index.end()) << "a sharding that no move leads to";
  return it->second;
}

// Dijkstra, backwards.
const std::vector<double>& Distances::from_all(Priced& priced, int32_t target) {
  std::vector<double>& best = priced.by_target[static_cast<size_t>(target)];
  if (!best.empty()) return best;
  const Graph& graph = *priced.graph;
  const Traits wanted = graph.traits[static_cast<size_t>(target)];
  const auto allowed = [&](const Move& move) {
    const CommKind kind = move.step.kind;
    if (kind == CommKind::all_gather) return true;
    if (kind == CommKind::mask) return (move.axes & ~wanted.partial) == 0;
    const bool reduces = kind == CommKind::all_reduce || kind == CommKind::reduce_scatter;
    if (reduces && (move.axes & wanted.partial) != 0) return false;
    return kind != CommKind::slice || (move.axes & ~wanted.split_axes) == 0;
  };
  best.assign(graph.states.size(), kForbidden);
  using Entry = std::pair<double, int32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  best[static_cast<size_t>(target)] = 0;
  queue.push({0, target});
  while (!queue.empty()) {
    const auto [seconds, state] = queue.top();
    queue.pop();
    if (seconds > best[static_cast<size_t>(state)]) continue;
    for (const Move& move : graph.into[static_cast<size_t>(state)]) {
      const double longer = seconds + priced.seconds[move.price];
      if (longer >= best[static_cast<size_t>(move.other)] || !allowed(move)) continue;
      best[static_cast<size_t>(move.other)] = longer;
      queue.push({longer, move.other});
    }
  }
  return best;
}

const std::vector<double>& Distances::to(const TensorShape& shape, const Sharding& to) {
  Priced& known = priced(shape);
  const int32_t target = find(*known.graph, to);
  std::vector<double>& result = known.by_form[static_cast<size_t>(target)];
  if (!result.empty()) return result;
  const std::vector<double>& all = from_all(known, target);
  for (const int32_t state : known.graph->of_form)
    result.push_back(all[static_cast<size_t>(state)]);
  return result;
}

double Distances::between(const TensorShape& shape, const Sharding& from, const Sharding& to) {
  if (!from.partial.empty() && !to.partial.empty() && from.op != to.op)  // rare
    return reshard(shape, from, to, mesh_, cost_).seconds;
  Priced& known = priced(shape);
  const int32_t target = find(*known.graph, to);
  return from_all(known, target)[static_cast<size_t>(find(*known.graph, from))];
}

}  // namespace tessera
