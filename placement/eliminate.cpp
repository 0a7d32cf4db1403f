#include "placement/eliminate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"

namespace tessera {
namespace {

using From = Elimination::Input::From;

// What makes a variable go early: few new neighbour pairs, few pairs weighted by their domains, or
// a small table.
enum class Rule { kFill, kWeightedFill, kSize };

// An elimination order and, for each variable, its neighbours when it is eliminated.
struct Order {
  std::vector<int32_t> variables;
  std::vector<std::vector<int32_t>> scopes;
  double entries = 0;
  double operations = 0;
};

class Orderer {
  static constexpr size_t kMostToPair = 64;

 public:
  // `shake` > 0 perturbs scores by up to that share, as a function of the seed.
  Orderer(const Network& network, Rule rule, double shake = 0, uint64_t seed = 0)
      : network_(network), rule_(rule), shake_(shake), seed_(seed) {
    around_.resize(network.size());
    for (const Network::Edge& edge : network.edges) {
      around_[edge.a].push_back(edge.b);
      around_[edge.b].push_back(edge.a);
    }
    for (const Network::Factor& factor : network.factors)
      for (size_t i = factor.begin; i < factor.end; ++i)
        for (size_t j = factor.begin; j < factor.end; ++j)
          if (i != j) around_[network.scope[i]].push_back(network.scope[j]);
    for (auto& list : around_) {
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
    }
    // A little for a single value, so that of two such variables the one with fewer neighbours
    // goes.
    for (int32_t v = 0; v < network.size(); ++v)
      logs_.push_back(std::max(std::log2(network.domain(v)), 1e-6));
    scores_.resize(network.size());
    for (int32_t v = 0; v < network.size(); ++v) enter(v);
  }

  std::optional<Order> run(double max_entries, double max_operations) {
    Order order;
    while (!queue_.empty()) {
      int32_t v = queue_.begin()->second;
      queue_.erase(queue_.begin());
      std::vector<int32_t> scope = around_[v];
      double entries = std::exp2(log_size(scope));
      order.entries += entries;
      order.operations += entries * network_.domain(v) * (1 + scope.size());
      if (order.entries > max_entries || order.operations > max_operations) return std::nullopt;
      order.variables.push_back(v);
      connect(v, scope);
      order.scopes.push_back(std::move(scope));
    }
    return order;
  }

 private:
  double log_size(const std::vector<int32_t>& variables) const {
    double total = 0;
    for (int32_t v : variables) total += logs_[v];
    return total;
  }

  bool adjacent(int32_t a, int32_t b) const {
    return std::binary_search(around_[a].begin(), around_[a].end(), b);
  }

  double score(int32_t v) const {
    double size = log_size(around_[v]) + logs_[v];
    if (rule_ == Rule::kSize) return size;
    const auto degree = static_cast<double>(around_[v].size());
    // Counting their pairs again and again is cubic, and their table is beyond every limit.
    if (around_[v].size() > kMostToPair) return degree * (degree - 1) / 2 + size * 1e-3;
    double fill = 0;
    for (size_t i = 0; i < around_[v].size(); ++i)
      for (size_t j = i + 1; j < around_[v].size(); ++j) {
        int32_t a = around_[v][i], b = around_[v][j];
        if (adjacent(a, b)) continue;
        fill += rule_ == Rule::kFill
                    ? 1
                    : std::log2(1.0 + network_.domain(a)) * std::log2(1.0 + network_.domain(b));
      }
    return fill + size * 1e-3;
  }

  // Between -1 and 1, a function of seed, variable and how often it was asked (a linear
  // congruential step each).
  double noise(int32_t v) {
    seed_ = (seed_ + static_cast<uint64_t>(v)) * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(seed_ >> 11) / 4503599627370496.0 - 1;
  }

  void enter(int32_t v) {
    scores_[v] = score(v);
    if (shake_ > 0) scores_[v] *= 1 + shake_ * noise(v);
    queue_.insert({scores_[v], v});
  }

  void connect(int32_t v, const std::vector<int32_t>& scope) {
    std::set<int32_t> touched(scope.begin(), scope.end());
    std::vector<std::pair<int32_t, int32_t>> joined;  // that were no neighbours
    for (int32_t u : scope) {
      std::vector<int32_t> merged, added;
      std::set_union(around_[u].begin(), around_[u].end(), scope.begin(), scope.end(),
                     std::back_inserter(merged));
      std::erase(merged, u);
      std::erase(merged, v);
      std::set_difference(merged.begin(), merged.end(), around_[u].begin(), around_[u].end(),
                          std::back_inserter(added));
      for (int32_t w : added)
        if (u < w) joined.emplace_back(u, w);
      around_[u] = std::move(merged);
    }
    if (rule_ != Rule::kSize) touch_around(scope, joined, touched);
    for (int32_t u : touched) {
      queue_.erase({scores_[u], u});
      enter(u);
    }
    around_[v].clear();
  }

  // Adds those further away whose scores change: neighbours of both of a pair that was joined. With
  // noise, or where very many were joined, all around are scored anew.
  void touch_around(const std::vector<int32_t>& scope,
                    const std::vector<std::pair<int32_t, int32_t>>& joined,
                    std::set<int32_t>& touched) const {
    if (shake_ > 0 || joined.size() > kMostToPair * kMostToPair) {
      for (int32_t u : scope) touched.insert(around_[u].begin(), around_[u].end());
      return;
    }
    for (auto [a, b] : joined) {
      if (around_[a].size() > around_[b].size()) std::swap(a, b);
      for (int32_t w : around_[a])
        if (adjacent(b, w)) touched.insert(w);
    }
  }

  const Network& network_;
  Rule rule_;
  double shake_;
  uint64_t seed_;
  std::vector<double> logs_;  // of the domains
  std::vector<std::vector<int32_t>> around_;
  std::vector<double> scores_;
  std::set<std::pair<double, int32_t>> queue_;
};

std::optional<Order> best_order(const Network& network, double entries, double operations) {
  constexpr int32_t kLargestForFill = 3000, kLargestForTrials = 400;
  constexpr double kWorthTrying = 1e6;  // operations
  std::optional<Order> best;
  auto attempt = [&](Orderer orderer) {
    std::optional<Order> order = orderer.run(entries, best ? best->operations : operations);
    if (order) best = std::move(order);
  };
  attempt(Orderer(network, Rule::kSize));
  if (network.size() > kLargestForFill) return best;
  attempt(Orderer(network, Rule::kFill));
  attempt(Orderer(network, Rule::kWeightedFill));
  if (network.size() > kLargestForTrials) return best;
  for (uint64_t trial = 0; trial < 60 && (!best || best->operations > kWorthTrying); ++trial)
    attempt(Orderer(network, trial % 2 ? Rule::kSize : Rule::kWeightedFill,
                    0.1 + 0.1 * static_cast<double>(trial % 5), trial + 1));
  return best;
}

// Row-major strides over `scope`.
std::vector<size_t> strides_of(const Network& network, const std::vector<int32_t>& scope) {
  std::vector<size_t> strides(scope.size(), 1);
  for (size_t i = scope.size(); i-- > 1;) strides[i - 1] = strides[i] * network.domain(scope[i]);
  return strides;
}

Elimination::Input input_for(const Elimination::Step& step, Elimination::Input::From from,
                             size_t table, const std::vector<int32_t>& scope,
                             const std::vector<size_t>& strides) {
  Elimination::Input input{from, table, std::vector<size_t>(step.scope.size(), 0), 0};
  for (size_t i = 0; i < scope.size(); ++i) {
    if (scope[i] == step.variable) {
      input.own_stride = strides[i];
      continue;
    }
    auto found = std::find(step.scope.begin(), step.scope.end(), scope[i]);
    TESSERA_CHECK(found != step.scope.end());
    input.strides[found - step.scope.begin()] = strides[i];
  }
  return input;
}

}  // namespace

std::optional<Elimination> plan_elimination(const Network& network, size_t max_entries,
                                            int64_t max_operations) {
  std::optional<Order> order =
      best_order(network, static_cast<double>(max_entries), static_cast<double>(max_operations));
  if (!order) return std::nullopt;
  std::vector<int32_t> when(network.size());
  for (size_t i = 0; i < order->variables.size(); ++i)
    when[order->variables[i]] = static_cast<int32_t>(i);

  Elimination plan;
  for (size_t i = 0; i < order->variables.size(); ++i) {
    Elimination::Step step{order->variables[i], std::move(order->scopes[i]), {}, 0, 1};
    // The next to be eliminated comes last, so that its table is read along the row.
    std::sort(step.scope.begin(), step.scope.end(),
              [&](int32_t a, int32_t b) { return when[a] > when[b]; });
    for (int32_t v : step.scope) step.entries *= network.domain(v);
    step.table = plan.message_entries;
    plan.message_entries += step.entries;
    plan.width = std::max(plan.width, static_cast<int32_t>(step.scope.size()));
    plan.steps.push_back(std::move(step));
  }
  for (const Network::Edge& edge : network.edges) {
    Elimination::Step& step = plan.steps[std::min(when[edge.a], when[edge.b])];
    std::vector<int32_t> scope = {edge.a, edge.b};
    step.inputs.push_back(
        input_for(step, From::edge, edge.table, scope, strides_of(network, scope)));
  }
  for (const Network::Factor& factor : network.factors) {
    std::vector<int32_t> scope(network.scope.begin() + factor.begin,
                               network.scope.begin() + factor.end);
    int32_t earliest = *std::min_element(scope.begin(), scope.end(),
                                         [&](int32_t a, int32_t b) { return when[a] < when[b]; });
    Elimination::Step& step = plan.steps[when[earliest]];
    step.inputs.push_back(
        input_for(step, From::factor, factor.table, scope, strides_of(network, scope)));
  }
  for (const Elimination::Step& step : plan.steps) {
    if (step.scope.empty()) continue;
    Elimination::Step& next = plan.steps[when[step.scope.back()]];
    next.inputs.push_back(
        input_for(next, From::message, step.table, step.scope, strides_of(network, step.scope)));
  }
  for (const Elimination::Step& step : plan.steps)
    plan.operations += static_cast<int64_t>(step.entries * network.domain(step.variable) *
                                            (1 + step.inputs.size()));
  return plan;
}

namespace {

// Minimises one variable out: fills its message and the choice behind each entry.
void run_step(const Network& network, const Elimination::Step& step, const double* unary,
              std::vector<double>& messages, std::vector<int32_t>& choices) {
  size_t values = network.domain(step.variable), arity = step.scope.size();
  std::vector<const double*> at;
  for (const Elimination::Input& input : step.inputs)
    at.push_back((input.from == From::message  ? messages.data()
                  : input.from == From::factor ? network.factor_tables.data()
                                               : network.tables.data()) +
                 input.table);
  std::vector<int32_t> digits(arity, 0);
  std::vector<double> total(values);
  for (size_t entry = 0; entry < step.entries; ++entry) {
    std::copy(unary, unary + values, total.begin());
    for (size_t f = 0; f < at.size(); ++f) {
      size_t stride = step.inputs[f].own_stride;
      for (size_t x = 0; x < values; ++x) total[x] += at[f][x * stride];
    }
    auto least = std::min_element(total.begin(), total.end());
    messages[step.table + entry] = *least;
    choices[step.table + entry] = static_cast<int32_t>(least - total.begin());
    for (size_t d = arity; d-- > 0;) {
      int32_t domain = network.domain(step.scope[d]);
      bool carry = ++digits[d] == domain;
      for (size_t f = 0; f < at.size(); ++f) {
        size_t stride = step.inputs[f].strides[d];
        if (carry)
          at[f] -= stride * (domain - 1);
        else
          at[f] += stride;
      }
      if (!carry) break;
      digits[d] = 0;
    }
  }
}

}  // namespace

Minimum minimise(const Network& network, const Elimination& plan,
                 const std::vector<double>& costs) {
  std::vector<double> messages(plan.message_entries);
  std::vector<int32_t> choices(plan.message_entries);
  Minimum result{0, Values(network.size(), 0)};
  for (const Elimination::Step& step : plan.steps) {
    run_step(network, step, costs.data() + network.first[step.variable], messages, choices);
    if (step.scope.empty()) result.cost += messages[step.table];
  }
  for (auto step = plan.steps.rbegin(); step != plan.steps.rend(); ++step) {
    size_t entry = 0;
    for (int32_t v : step->scope) entry = entry * network.domain(v) + result.values[v];
    result.values[step->variable] = choices[step->table + entry];
  }
  return result;
}

}  // namespace tessera
