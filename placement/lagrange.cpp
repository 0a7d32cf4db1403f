#include "placement/lagrange.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include "placement/local_search.h"

namespace tessera {
namespace {

struct Restriction {
  int32_t variable;
  std::vector<char> allowed;
};

struct Node {
  double bound;
  int64_t number;  // older first among equals
  std::vector<Restriction> restrictions;
  std::vector<double> multipliers;
};

struct Later {
  bool operator()(const Node& a, const Node& b) const {
    return a.bound != b.bound ? a.bound > b.bound : a.number > b.number;
  }
};

class RowSolver {
 public:
  RowSolver(const Network& network, const Elimination& plan, int64_t operations)
      : network_(network), plan_(plan), budget_(operations), search_(network) {}

  RowSolution run(const Values& start) {
    if (!start.empty()) improve(start, search_budget(50));
    Node root{-kForbidden, 0, {}, std::vector<double>(network_.rows.size(), 0.0)};
    std::priority_queue<Node, std::vector<Node>, Later> open;
    std::vector<Node> children = expand(root, 120);
    double exhausted = kForbidden;  // least bound among nodes given up without branching
    for (Node& child : children) open.push(std::move(child));
    while (!open.empty() && result_.operations < budget_) {
      Node node = open.top();
      open.pop();
      if (closes(node.bound)) {
        exhausted = std::min(exhausted, node.bound);
        continue;
      }
      for (Node& child : expand(node, 12)) open.push(std::move(child));
    }
    result_.bound = std::min(exhausted, result_.cost);
    if (!open.empty()) result_.bound = std::min(result_.bound, open.top().bound);
    return result_;
  }

 private:
  bool closes(double bound) const {
    return bound >= result_.cost - 1e-9 * std::abs(result_.cost) || bound == kForbidden;
  }

  void offer(const Values& values) {
    double cost = cost_of(network_, values);
    if (cost >= result_.cost || excess_of(network_, values) > 0) return;
    result_.cost = cost;
    result_.values = values;
  }

  // A share of the budget, and no more than a network of this size can make use of.
  int64_t search_budget(int64_t share) const {
    int64_t size = static_cast<int64_t>(network_.costs.size() + network_.tables.size() +
                                        network_.factor_tables.size());
    return std::min(budget_ / share, 400 * size);
  }

  void improve(const Values& values, int64_t operations) {
    int64_t before = search_.operations();
    search_.run(values, operations);
    result_.operations += search_.operations() - before;
    if (search_.found()) offer(search_.best());
  }

  std::vector<double> priced(const std::vector<double>& costs,
                             const std::vector<double>& multipliers) const {
    std::vector<double> result = costs;
    for (size_t r = 0; r < network_.rows.size(); ++r) {
      if (multipliers[r] == 0) continue;
      for (size_t i = network_.rows[r].begin; i < network_.rows[r].end; ++i) {
        const Network::Entry& entry = network_.entries[i];
        for (int32_t x = 0; x < network_.domain(entry.variable); ++x)
          result[network_.first[entry.variable] + x] +=
              multipliers[r] * network_.bytes[entry.bytes + x];
      }
    }
    return result;
  }

  struct Evaluation {
    double bound;
    std::vector<double> over;  // usage - limit of each row
    Values values;
  };

  Evaluation evaluate(const std::vector<double>& costs, const std::vector<double>& multipliers) {
    Minimum minimum = minimise(network_, plan_, priced(costs, multipliers));
    result_.operations += plan_.operations + static_cast<int64_t>(costs.size());
    Evaluation result{minimum.cost, {}, std::move(minimum.values)};
    if (result.bound == kForbidden) return result;
    const std::vector<double> usages = usages_of(network_, result.values);
    for (size_t r = 0; r < network_.rows.size(); ++r) {
      result.over.push_back(usages[r] - network_.rows[r].limit);
      result.bound -= multipliers[r] * network_.rows[r].limit;
    }
    if (std::all_of(result.over.begin(), result.over.end(), [](double o) { return o <= 0; }))
      offer(result.values);
    return result;
  }

  // Ascends the Lagrangian bound; returns the best evaluation and leaves its multipliers.
  Evaluation ascend(const std::vector<double>& costs, std::vector<double>& multipliers, int steps) {
    Evaluation best = evaluate(costs, multipliers);
    std::vector<double> at = multipliers;
    Evaluation now = best;
    double scale = 1.0;
    int stuck = 0;
    for (int step = 0; step < steps && best.bound != kForbidden && !closes(best.bound); ++step) {
      double norm = 0;
      for (size_t r = 0; r < at.size(); ++r) {
        if (now.over[r] < 0 && at[r] == 0) now.over[r] = 0;
        norm += now.over[r] * now.over[r];
      }
      if (norm == 0) break;
      double target = result_.cost != kForbidden ? result_.cost
                                                 : best.bound + 0.1 * std::abs(best.bound) + 1e-12;
      double length = scale * std::max(target - now.bound, 0.0) / norm;
      for (size_t r = 0; r < at.size(); ++r) at[r] = std::max(0.0, at[r] + length * now.over[r]);
      now = evaluate(costs, at);
      if (now.bound > best.bound) {
        best = now;
        multipliers = at;
        stuck = 0;
      } else if (++stuck == 4) {
        stuck = 0;
        scale *= 0.5;
        at = multipliers;
        now = best;
      }
    }
    return best;
  }

  std::vector<Node> expand(const Node& node, int steps) {
    ++result_.nodes;
    std::vector<double> costs = network_.costs;
    for (const Restriction& restriction : node.restrictions)
      for (size_t x = 0; x < restriction.allowed.size(); ++x)
        if (!restriction.allowed[x]) costs[network_.first[restriction.variable] + x] = kForbidden;
    if (!rows_possible(costs)) return {};
    std::vector<double> multipliers = node.multipliers;
    Evaluation found = ascend(costs, multipliers, steps);
    found.bound = std::max(found.bound, node.bound);
    if (found.bound == kForbidden || closes(found.bound)) return pruned(found.bound);
    if (node.restrictions.empty() || result_.nodes % 16 == 0)
      improve(found.values, search_budget(node.restrictions.empty() ? 20 : 200));
    if (closes(found.bound)) return pruned(found.bound);
    int32_t variable = branching_variable(costs, multipliers, found);
    if (variable < 0) {  // every variable of a row is fixed, so rows hold or not whatever follows
      evaluate(costs, std::vector<double>(multipliers.size(), 0.0));
      return {};
    }
    return split(node, costs, multipliers, found, variable);
  }

  // A node that needs no children, but whose bound counts.
  std::vector<Node> pruned(double bound) {
    if (bound == kForbidden) return {};
    return {Node{bound, ++numbered_, {}, std::vector<double>(network_.rows.size(), 0.0)}};
  }

  bool rows_possible(const std::vector<double>& costs) const {
    for (const Network::Row& row : network_.rows) {
      double least = 0;
      for (size_t i = row.begin; i < row.end; ++i) {
        const Network::Entry& entry = network_.entries[i];
        double low = kForbidden;
        for (int32_t x = 0; x < network_.domain(entry.variable); ++x)
          if (costs[network_.first[entry.variable] + x] != kForbidden)
            low = std::min(low, network_.bytes[entry.bytes + x]);
        least += low;
      }
      if (least > row.limit) return false;
    }
    return true;
  }

  // The free variable whose bytes matter most: in exceeded rows first, weighted by multipliers.
  int32_t branching_variable(const std::vector<double>& costs,
                             const std::vector<double>& multipliers,
                             const Evaluation& found) const {
    std::vector<double> weight(network_.size(), 0.0);
    std::vector<char> free(network_.size(), false);
    for (size_t r = 0; r < network_.rows.size(); ++r) {
      const Network::Row& row = network_.rows[r];
      double scale = multipliers[r] + (found.over[r] > 0 ? 1.0 / std::max(1.0, row.limit) : 0) +
                     1e-6 / std::max(1.0, row.limit);
      for (size_t i = row.begin; i < row.end; ++i) {
        const Network::Entry& entry = network_.entries[i];
        double low = kForbidden, high = -kForbidden;
        int count = 0;
        for (int32_t x = 0; x < network_.domain(entry.variable); ++x) {
          if (costs[network_.first[entry.variable] + x] == kForbidden) continue;
          low = std::min(low, network_.bytes[entry.bytes + x]);
          high = std::max(high, network_.bytes[entry.bytes + x]);
          ++count;
        }
        if (count > 1) free[entry.variable] = true;
        if (count > 1) weight[entry.variable] += scale * (high - low);
      }
    }
    int32_t best = -1;
    for (int32_t v = 0; v < network_.size(); ++v)
      if (free[v] && (best < 0 || weight[v] > weight[best])) best = v;
    return best;
  }

  // Two children: values that take fewer bytes than the chosen one, and the others. When none takes
  // fewer: the chosen value, and the others.
  std::vector<Node> split(const Node& node, const std::vector<double>& costs,
                          const std::vector<double>& multipliers, const Evaluation& found,
                          int32_t v) {
    std::vector<double> load(network_.domain(v), 0.0);
    for (size_t r = 0; r < network_.rows.size(); ++r) {
      const Network::Row& row = network_.rows[r];
      for (size_t i = row.begin; i < row.end; ++i)
        if (network_.entries[i].variable == v)
          for (size_t x = 0; x < load.size(); ++x)
            load[x] += network_.bytes[network_.entries[i].bytes + x] *
                       (multipliers[r] + 1e-6 / std::max(1.0, row.limit));
    }
    int32_t chosen = found.values[v];
    std::vector<char> fewer(load.size(), 0), rest(load.size(), 0);
    int count = 0, total = 0;
    for (size_t x = 0; x < load.size(); ++x) {
      if (costs[network_.first[v] + x] == kForbidden) continue;
      ++total;
      bool low = load[x] < load[chosen];
      (low ? fewer : rest)[x] = 1;
      count += low;
    }
    if (count == 0 || count == total)
      for (size_t x = 0; x < load.size(); ++x) {
        bool allowed = costs[network_.first[v] + x] != kForbidden;
        fewer[x] = static_cast<int32_t>(x) == chosen;
        rest[x] = allowed && !fewer[x];
      }
    std::vector<Node> children;
    for (std::vector<char>* allowed : {&fewer, &rest}) {
      Node child{found.bound, ++numbered_, node.restrictions, multipliers};
      std::erase_if(child.restrictions, [&](const Restriction& r) { return r.variable == v; });
      child.restrictions.push_back({v, *allowed});
      children.push_back(std::move(child));
    }
    return children;
  }

  const Network& network_;
  const Elimination& plan_;
  int64_t budget_;
  int64_t numbered_ = 0;
  LocalSearch search_;
  RowSolution result_;
};

}  // namespace

RowSolution minimise_with_rows(const Network& network, const Elimination& plan, const Values& start,
                               int64_t operations) {
  return RowSolver(network, plan, operations).run(start);
}

}  // namespace tessera
