#include "placement/presolve.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "placement/presolve_rows.h"

namespace tessera {
namespace {

constexpr size_t kLargestFold = 1 << 16;  // entries of a table made by minimising out a variable

std::vector<std::vector<double>> unary_of(const Network& network) {
  std::vector<std::vector<double>> unary;
  for (int32_t v = 0; v < network.size(); ++v) {
    auto costs = network.unary(v);
    unary.emplace_back(costs.begin(), costs.end());
  }
  return unary;
}

// The network in a form that can shrink: dropped values have an infinite unary cost.
class Presolver {
 public:
  Presolver(const Network& network, int64_t operations, const Stop& stop)
      : budget_(operations), stop_(stop), unary_(unary_of(network)), rows_(network, unary_) {
    result_.original_size = network.size();
    result_.instead.resize(network.size());
    gone_.assign(network.size(), false);
    at_.resize(network.size());
    for (const Network::Edge& edge : network.edges) {
      size_t size = unary_[edge.a].size() * unary_[edge.b].size();
      const double* table = network.tables.data() + edge.table;
      link(edge.a, edge.b, std::vector<double>(table, table + size));
    }
    factors_at_.resize(network.size());
    for (const Network::Factor& factor : network.factors) {
      const double* table = network.factor_tables.data() + factor.table;
      add_factor({network.scope.begin() + factor.begin, network.scope.begin() + factor.end},
                 {table, table + network.factor_entries(factor)});
    }
  }

  Reduced run() {
    bool changed = true;
    while (changed && !result_.infeasible && !stop_()) {
      changed = drop_unsupported();
      if (result_.infeasible) break;
      changed |= rows_.simplify();
      result_.infeasible = rows_.infeasible();
      for (int32_t v = 0; v < size() && !result_.infeasible; ++v)
        if (!gone_[v] && !stop_()) changed |= reduce(v);
    }
    if (!result_.infeasible) compact();
    return std::move(result_);
  }

 private:
  struct Edge {
    int32_t a, b;
    std::vector<double> table;
  };
  struct Factor {
    std::vector<int32_t> scope;
    std::vector<double> table;
  };
  int32_t size() const { return static_cast<int32_t>(unary_.size()); }
  int32_t domain(int32_t v) const { return static_cast<int32_t>(unary_[v].size()); }
  bool alive(int32_t v, int32_t x) const { return unary_[v][x] != kForbidden; }
  int32_t other(int32_t e, int32_t v) const { return edges_[e].a == v ? edges_[e].b : edges_[e].a; }
  // Cost of v = x and its neighbour over edge e = y.
  double pair(int32_t e, int32_t v, int32_t x, int32_t y) const {
    const Edge& edge = edges_[e];
    return edge.a == v ? edge.table[static_cast<size_t>(x) * unary_[edge.b].size() + y]
                       : edge.table[static_cast<size_t>(y) * unary_[edge.b].size() + x];
  }

  // Adds a table over (a, b), to an edge that exists or as a new one.
  void link(int32_t a, int32_t b, std::vector<double> table) {
    for (int32_t e : at_[at_[a].size() <= at_[b].size() ? a : b]) {
      if (std::minmax(edges_[e].a, edges_[e].b) != std::minmax(a, b)) continue;
      Edge& edge = edges_[e];
      size_t columns = unary_[b].size(), rows = unary_[a].size();
      for (size_t x = 0; x < rows; ++x)
        for (size_t y = 0; y < columns; ++y)
          edge.table[edge.a == a ? x * columns + y : y * rows + x] += table[x * columns + y];
      return;
    }
    edges_.push_back({a, b, std::move(table)});
    at_[a].push_back(static_cast<int32_t>(edges_.size()) - 1);
    at_[b].push_back(static_cast<int32_t>(edges_.size()) - 1);
  }

  // Adds costs over any number of variables, as an edge or to a unary cost where that will do.
  void add_factor(std::vector<int32_t> scope, std::vector<double> table) {
    if (scope.empty()) {
      result_.constant += table[0];
    } else if (scope.size() == 1) {
      for (size_t x = 0; x < table.size(); ++x) unary_[scope[0]][x] += table[x];
    } else if (scope.size() == 2) {
      link(scope[0], scope[1], std::move(table));
    } else {
      for (int32_t v : scope) factors_at_[v].push_back(static_cast<int32_t>(factors_.size()));
      factors_.push_back({std::move(scope), std::move(table)});
    }
  }

  // Replaces variable b of every factor by a, whose value x stands for choice[x] of b; a = -1 means
  // that b is fixed to choice[0].
  void substitute(int32_t b, int32_t a, const std::vector<int32_t>& choice) {
    std::vector<int32_t> numbers = std::move(factors_at_[b]);
    factors_at_[b].clear();
    for (int32_t f : numbers) {
      Factor old = std::move(factors_[f]);
      for (int32_t v : old.scope)
        if (v != b) std::erase(factors_at_[v], f);
      std::vector<int32_t> scope;
      for (int32_t v : old.scope)
        if (v != b) scope.push_back(v);
      if (a >= 0 && std::find(scope.begin(), scope.end(), a) == scope.end()) scope.push_back(a);
      size_t entries = 1;
      for (int32_t v : scope) entries *= unary_[v].size();
      std::vector<size_t> place;  // of each old variable in the new scope
      for (int32_t v : old.scope)
        place.push_back(std::find(scope.begin(), scope.end(), v == b ? a : v) - scope.begin());
      std::vector<double> table(entries);
      std::vector<int32_t> value(scope.size() + 1, 0);  // the last one: b where it is fixed
      for (double& cost : table) {
        size_t from = 0;
        for (size_t i = 0; i < old.scope.size(); ++i) {
          int32_t v = old.scope[i], x = value[place[i]];
          from = from * unary_[v].size() + (v == b ? choice[x] : x);
        }
        cost = old.table[from];
        for (size_t i = scope.size(); i-- > 0 && ++value[i] == domain(scope[i]);) value[i] = 0;
      }
      add_factor(std::move(scope), std::move(table));
    }
  }

  void unlink(int32_t e, int32_t v) { std::erase(at_[v], e); }

  void remove(int32_t v) {
    for (int32_t e : at_[v]) {
      unlink(e, other(e, v));
      edges_[e].table.clear();
      edges_[e].table.shrink_to_fit();
    }
    at_[v].clear();
    gone_[v] = true;
  }

  std::vector<int32_t> values(int32_t v) const {
    std::vector<int32_t> result;
    for (int32_t x = 0; x < domain(v); ++x)
      if (alive(v, x)) result.push_back(x);
    return result;
  }

  bool drop_unsupported() {
    bool any = false, changed = true;
    while (changed) {
      changed = false;
      for (int32_t v = 0; v < size(); ++v) {
        if (gone_[v] || stop_()) continue;
        int32_t left = 0;
        for (int32_t x = 0; x < domain(v); ++x) {
          if (!alive(v, x)) continue;
          if (supported(v, x)) {
            ++left;
          } else {
            unary_[v][x] = kForbidden;
            changed = any = true;
          }
        }
        if (left == 0) {
          result_.infeasible = true;
          return true;
        }
      }
    }
    return any;
  }

  bool supported(int32_t v, int32_t x) const {
    for (int32_t e : at_[v]) {
      int32_t u = other(e, v);
      bool found = false;
      for (int32_t y = 0; y < domain(u) && !found; ++y)
        found = alive(u, y) && pair(e, v, x, y) != kForbidden;
      if (!found) return false;
    }
    return true;
  }

  bool reduce(int32_t v) {
    bool changed = drop_dominated(v);
    std::vector<int32_t> left = values(v);
    if (left.size() == 1) {
      fold_single(v, left[0]);
      return true;
    }
    for (int32_t e : at_[v])
      if (const int32_t u = other(e, v); small_merge(e, u, v) && determines(e, u, v)) {
        // Where each determines the other, the one with less to move goes.
        if (links_of(v) > links_of(u) && small_merge(e, v, u) && determines(e, v, u))
          merge(e, v, u);
        else
          merge(e, u, v);
        return true;
      }
    if (rows_.of(v).empty() && factors_at_[v].empty() && at_[v].size() <= 2 && small_fold(v)) {
      minimise_out(v);
      return true;
    }
    return changed;
  }

  size_t links_of(int32_t v) const { return at_[v].size() + rows_.of(v).size(); }

  // Merging b into a must not blow up the tables of b's neighbours.
  bool small_merge(int32_t e, int32_t a, int32_t b) const {
    if (domain(a) <= domain(b)) return true;
    size_t growth = (unary_[a].size() + unary_[b].size() - 1) / unary_[b].size();
    for (int32_t f : at_[b])
      if (f != e && growth * edges_[f].table.size() > kLargestFold) return false;
    for (int32_t f : factors_at_[b])
      if (growth * factors_[f].table.size() > kLargestFold) return false;
    return true;
  }

  bool small_fold(int32_t v) const {
    size_t entries = 1;
    for (int32_t e : at_[v]) entries *= unary_[other(e, v)].size();
    return entries <= kLargestFold;
  }

  void fold_single(int32_t v, int32_t x) {
    result_.constant += unary_[v][x];
    for (int32_t e : at_[v]) {
      int32_t u = other(e, v);
      for (int32_t y = 0; y < domain(u); ++y) unary_[u][y] += pair(e, v, x, y);
    }
    rows_.fix(v, x);
    substitute(v, -1, {x});
    result_.folded.push_back({v, {}, {}, {x}});
    remove(v);
  }

  // Does each value of `a` leave exactly one value of `b`?
  bool determines(int32_t e, int32_t a, int32_t b) const {
    for (int32_t x = 0; x < domain(a); ++x) {
      if (!alive(a, x)) continue;
      int count = 0;
      for (int32_t y = 0; y < domain(b) && count < 2; ++y)
        count += alive(b, y) && pair(e, a, x, y) != kForbidden;
      if (count != 1) return false;
    }
    return true;
  }

  // Merges b, which a determines over edge e, into a.
  void merge(int32_t e, int32_t a, int32_t b) {
    std::vector<int32_t> choice(domain(a), 0);
    for (int32_t x = 0; x < domain(a); ++x) {
      if (!alive(a, x)) continue;
      for (int32_t y = 0; y < domain(b); ++y)
        if (alive(b, y) && pair(e, a, x, y) != kForbidden) choice[x] = y;
      unary_[a][x] += unary_[b][choice[x]] + pair(e, a, x, choice[x]);
    }
    std::vector<int32_t> links = at_[b];
    for (int32_t f : links) {
      int32_t c = other(f, b);
      if (f == e) continue;
      std::vector<double> table(unary_[a].size() * unary_[c].size());
      for (int32_t x = 0; x < domain(a); ++x)
        for (int32_t z = 0; z < domain(c); ++z)
          table[static_cast<size_t>(x) * unary_[c].size() + z] = pair(f, b, choice[x], z);
      link(a, c, std::move(table));
    }
    substitute(b, a, choice);
    rows_.merge(a, b, choice);
    result_.folded.push_back({b, {a}, {domain(a)}, std::move(choice)});
    remove(b);
  }

  void minimise_out(int32_t v) {
    std::vector<int32_t> links = at_[v], parents, domains;
    for (int32_t e : links) {
      parents.push_back(other(e, v));
      domains.push_back(domain(parents.back()));
    }
    int32_t rows = parents.empty() ? 1 : domains[0], columns = parents.size() < 2 ? 1 : domains[1];
    std::vector<double> least(static_cast<size_t>(rows) * columns, kForbidden);
    std::vector<int32_t> choice(least.size(), 0);
    for (int32_t y = 0; y < rows; ++y)
      for (int32_t z = 0; z < columns; ++z)
        for (int32_t x = 0; x < domain(v); ++x) {
          double cost = unary_[v][x];
          if (!parents.empty()) cost += pair(links[0], v, x, y);
          if (parents.size() == 2) cost += pair(links[1], v, x, z);
          size_t at = static_cast<size_t>(y) * columns + z;
          if (cost < least[at]) {
            least[at] = cost;
            choice[at] = x;
          }
        }
    remove(v);
    if (parents.empty()) result_.constant += least[0];
    if (parents.size() == 1)
      for (int32_t y = 0; y < rows; ++y) unary_[parents[0]][y] += least[y];
    if (parents.size() == 2) link(parents[0], parents[1], std::move(least));
    result_.folded.push_back({v, std::move(parents), std::move(domains), std::move(choice)});
  }

  bool drop_dominated(int32_t v) {
    std::vector<int32_t> left = values(v);
    int64_t work = 0;
    for (int32_t e : at_[v]) work += domain(other(e, v));
    work *= static_cast<int64_t>(left.size() * left.size());
    if (left.size() < 2 || work > budget_ || !factors_at_[v].empty()) return false;
    budget_ -= work;
    bool changed = false;
    for (int32_t x : left)
      for (int32_t y : left) {
        if (x == y || !alive(v, x) || !alive(v, y) || !dominates(v, y, x)) continue;
        unary_[v][x] = kForbidden;
        std::vector<int32_t>& instead = result_.instead[v];
        if (instead.empty()) instead.assign(unary_[v].size(), -1);
        instead[x] = y;
        changed = true;
      }
    return changed;
  }

  // Is y at least as good as x, whatever else happens?
  bool dominates(int32_t v, int32_t y, int32_t x) const {
    for (const PresolveRows::Bytes& row : rows_.of(v))
      if (row.bytes[y] > row.bytes[x]) return false;
    double worst = unary_[v][y] - unary_[v][x];
    for (int32_t e : at_[v]) {
      int32_t u = other(e, v);
      double extra = -kForbidden;
      for (int32_t z = 0; z < domain(u); ++z) {
        if (!alive(u, z)) continue;
        double with_x = pair(e, v, x, z), with_y = pair(e, v, y, z);
        if (with_x == kForbidden) continue;
        extra = std::max(extra, with_y - with_x);
      }
      worst += extra;
      if (worst == kForbidden) return false;
    }
    return worst <= 0;
  }

  void compact(const Factor& factor, const std::vector<int32_t>& number) {
    std::vector<int32_t> scope;
    size_t entries = 1;
    for (int32_t v : factor.scope) {
      scope.push_back(number[v]);
      entries *= result_.value[number[v]].size();
    }
    std::vector<double> table(entries);
    std::vector<size_t> value(scope.size(), 0);
    for (double& cost : table) {
      size_t from = 0;
      for (size_t i = 0; i < scope.size(); ++i)
        from = from * unary_[factor.scope[i]].size() + result_.value[scope[i]][value[i]];
      cost = factor.table[from];
      for (size_t i = scope.size(); i-- > 0 && ++value[i] == result_.value[scope[i]].size();)
        value[i] = 0;
    }
    result_.network.add_factor(scope, std::move(table));
  }

  void compact() {
    Network& out = result_.network;
    std::vector<int32_t> number(size(), -1);
    for (int32_t v = 0; v < size(); ++v) {
      if (gone_[v]) continue;
      std::vector<int32_t> kept = values(v);
      std::vector<double> costs;
      for (int32_t x : kept) costs.push_back(unary_[v][x]);
      number[v] = out.add_variable(costs);
      result_.variable.push_back(v);
      result_.value.push_back(std::move(kept));
    }
    for (int32_t v = 0; v < size(); ++v)
      for (int32_t e : at_[v]) {
        int32_t u = other(e, v);
        if (u < v) continue;
        std::vector<double> table;
        for (int32_t x : result_.value[number[v]])
          for (int32_t y : result_.value[number[u]]) table.push_back(pair(e, v, x, y));
        out.add_edge(number[v], number[u], std::move(table));
      }
    for (const Factor& factor : factors_)
      if (!factor.scope.empty()) compact(factor, number);
    rows_.compact(number, result_.value, out);
  }

  Reduced result_;
  int64_t budget_;
  const Stop& stop_;
  std::vector<std::vector<double>> unary_;
  PresolveRows rows_;
  std::vector<char> gone_;
  std::vector<Edge> edges_;
  std::vector<std::vector<int32_t>> at_;
  std::vector<Factor> factors_;  // an empty scope: replaced by another
  std::vector<std::vector<int32_t>> factors_at_;
};

}  // namespace

Reduced presolve(const Network& network, int64_t operations, const Stop& stop) {
  return Presolver(network, operations, stop).run();
}

}  // namespace tessera
