#include "placement/solve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "placement/bound.h"
#include "placement/eliminate.h"
#include "placement/local_search.h"
#include "placement/presolve.h"

namespace tessera {
namespace {

// The optimum by trying every assignment.
Solution brute_force(const Network& network) {
  Solution best;
  Values values(network.size(), 0);
  while (true) {
    double cost = cost_of(network, values);
    if (cost < best.cost && excess_of(network, values) <= 0) {
      best.cost = cost;
      best.values = values;
    }
    int32_t v = 0;
    while (v < network.size() && ++values[v] == network.domain(v)) values[v++] = 0;
    if (v == network.size()) return best;
  }
}

struct Shape {
  int variables = 6;
  int domain = 4;
  double density = 0.5;
  double forbidden = 0;
  int rows = 0;
  int factors = 0;
};

Network random_network(const Shape& shape, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  auto cost = [&] {
    return uniform(generator) < shape.forbidden ? kForbidden : std::floor(uniform(generator) * 100);
  };
  Network network;
  for (int v = 0; v < shape.variables; ++v) {
    std::vector<double> costs(1 + generator() % shape.domain);
    for (double& c : costs) c = cost();
    network.add_variable(costs);
  }
  for (int a = 0; a < shape.variables; ++a)
    for (int b = a + 1; b < shape.variables; ++b) {
      if (uniform(generator) > shape.density) continue;
      std::vector<double> table(network.domain(a) * network.domain(b));
      for (double& c : table) c = cost();
      network.add_edge(a, b, table);
    }
  for (int f = 0; f < shape.factors; ++f) {
    std::vector<int32_t> all(shape.variables);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), generator);
    all.resize(3 + f % 2);
    size_t entries = 1;
    for (int32_t v : all) entries *= network.domain(v);
    std::vector<double> table(entries);
    for (double& c : table) c = std::floor(uniform(generator) * 100);
    network.add_factor(all, table);
  }
  for (int r = 0; r < shape.rows; ++r) {
    std::vector<Network::RowItem> items;
    double total = 0;
    for (int v = 0; v < shape.variables; ++v) {
      if (uniform(generator) < 0.3) continue;
      std::vector<double> bytes(network.domain(v));
      for (double& b : bytes) total += b = std::floor(uniform(generator) * 50);
      items.push_back({v, bytes});
    }
    network.add_row(std::floor(total / shape.domain * (0.6 + 0.6 * uniform(generator))), items);
  }
  return network;
}

void expect_exact(const Network& network, uint32_t seed) {
  Solution truth = brute_force(network), found = solve(network);
  EXPECT_EQ(found.cost, truth.cost) << "seed " << seed;
  if (truth.cost == kForbidden) {
    EXPECT_EQ(found.bound, kForbidden) << "seed " << seed;
    return;
  }
  EXPECT_EQ(cost_of(network, found.values), found.cost) << "seed " << seed;
  EXPECT_LE(excess_of(network, found.values), 0) << "seed " << seed;
  EXPECT_LE(found.bound, found.cost) << "seed " << seed;
  EXPECT_TRUE(found.optimal()) << "seed " << seed << " bound " << found.bound << " cost "
                               << found.cost << " " << found.stats.method;
}

TEST(Solve, EqualsBruteForce) {
  for (uint32_t seed = 0; seed < 150; ++seed) expect_exact(random_network({}, seed), seed);
}

TEST(Solve, EqualsBruteForceWithForbiddenChoices) {
  for (uint32_t seed = 0; seed < 150; ++seed)
    expect_exact(random_network({7, 4, 0.5, 0.35}, seed), seed);
}

TEST(Solve, EqualsBruteForceWithRows) {
  for (uint32_t seed = 0; seed < 150; ++seed)
    expect_exact(random_network({7, 4, 0.5, 0.1, 3}, seed), seed);
}

TEST(Solve, EqualsBruteForceWithFactors) {
  for (uint32_t seed = 0; seed < 150; ++seed)
    expect_exact(random_network({7, 4, 0.3, 0.15, seed % 2 ? 2 : 0, 4}, seed), seed);
}

TEST(Solve, ProvesThatNothingFits) {
  Network network;
  int32_t a = network.add_variable({0, 1}), b = network.add_variable({0, 1});
  network.add_edge(a, b, {0, kForbidden, kForbidden, 0});
  network.add_row(10, {{a, {8, 4}}, {b, {4, 8}}});
  Solution solution = solve(network);
  EXPECT_FALSE(solution.found());
  EXPECT_EQ(solution.bound, kForbidden);
}

TEST(Solve, LongChainIsExactAndFast) {
  Network network;
  std::mt19937 generator(3);
  for (int v = 0; v < 2000; ++v) {
    std::vector<double> costs(16);
    for (double& c : costs) c = generator() % 100;
    network.add_variable(costs);
    if (v < 2) continue;
    for (int back : {1, 2}) {
      std::vector<double> table(256);
      for (double& c : table) c = generator() % 100;
      network.add_edge(v - back, v, table);
    }
  }
  Solution solution = solve(network);
  EXPECT_TRUE(solution.optimal());
  EXPECT_LT(solution.stats.operations, 100'000'000);
}

// Dense enough that elimination does not fit: bound <= optimum <= cost, and both near.
TEST(Solve, WideNetworkHasBoundAndAssignment) {
  for (uint32_t seed = 0; seed < 5; ++seed) {
    Network network = random_network({40, 8, 0.5, 0.02}, seed);
    SolveOptions options;
    options.operations = 20'000'000;
    options.table_entries = 4096;
    Solution solution = solve(network, options);
    EXPECT_EQ(solution.stats.method, "dual ascent");
    ASSERT_TRUE(solution.found());
    EXPECT_EQ(cost_of(network, solution.values), solution.cost);
    EXPECT_LE(solution.bound, solution.cost);
    EXPECT_GT(solution.bound, 0.2 * solution.cost);
    Solution again = solve(network, options);
    EXPECT_EQ(again.values, solution.values);
    EXPECT_EQ(again.bound, solution.bound);
  }
}

TEST(Solve, WidePathAgreesWithBruteForce) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Network network = random_network({7, 4, 0.7, 0.1, seed % 2 ? 2 : 0, seed % 3 ? 0 : 3}, seed);
    Solution truth = brute_force(network);
    SolveOptions options;
    options.operations = 1'000'000;
    options.table_entries = 1;
    Solution solution = solve(network, options);
    EXPECT_LE(solution.bound, truth.cost + 1e-6) << "seed " << seed;
    EXPECT_GE(solution.cost, truth.cost) << "seed " << seed;
  }
}

TEST(Solve, NeverWorseThanAStart) {
  Network network = random_network({30, 6, 0.6}, 11);
  SolveOptions options;
  options.operations = 1000;
  options.table_entries = 16;
  Solution good = solve(network);
  options.starts = {Values(network.size(), 0), good.values};
  EXPECT_LE(solve(network, options).cost, good.cost);
}

TEST(Bound, StaysBelowTheOptimumAndGrows) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Network network = random_network({7, 4, 0.6, 0, 0}, seed);
    double optimum = brute_force(network).cost, last = -kForbidden;
    DualBound dual(network);
    for (int round = 0; round < 5; ++round) {
      double bound = dual.ascend(1);
      EXPECT_GE(bound, last - 1e-9);
      EXPECT_LE(bound, optimum + 1e-9);
      EXPECT_NEAR(bound, dual.bound(), 1e-9);
      last = bound;
    }
  }
}

TEST(Bound, IsTightOnATree) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937 generator(seed);
    Network network;
    for (int v = 0; v < 7; ++v) {
      network.add_variable({double(generator() % 50), double(generator() % 50), 7});
      if (v == 0) continue;
      std::vector<double> table(9);
      for (double& c : table) c = generator() % 50;
      network.add_edge(static_cast<int32_t>(generator() % v), v, table);
    }
    EXPECT_NEAR(DualBound(network).ascend(200), brute_force(network).cost, 1e-6);
  }
}

TEST(Presolve, KeepsTheOptimum) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    Network network =
        random_network({7, 4, 0.9, 0.3, seed % 3 == 0 ? 2 : 0, seed % 2 ? 3 : 0}, seed);
    Solution truth = brute_force(network);
    Reduced reduced = presolve(network);
    if (reduced.infeasible) {
      EXPECT_EQ(truth.cost, kForbidden);
      continue;
    }
    if (reduced.network.size() == 0) {
      EXPECT_EQ(reduced.constant, truth.cost);
      continue;
    }
    Solution rest = brute_force(reduced.network);
    EXPECT_EQ(rest.cost + reduced.constant, truth.cost) << "seed " << seed;
    if (rest.values.empty()) continue;
    Values original = restore(reduced, rest.values);
    EXPECT_EQ(cost_of(network, original), truth.cost);
    EXPECT_LE(excess_of(network, original), 0);
    EXPECT_EQ(project(reduced, original), rest.values);
  }
}

TEST(Presolve, MergesTiedVariables) {
  Network network;
  for (int v = 0; v < 6; ++v) network.add_variable({1, 2, 3});
  double n = kForbidden;
  for (int v = 1; v < 6; ++v) network.add_edge(0, v, {0, n, n, n, 0, n, n, n, 0});
  std::vector<Network::RowItem> items;
  for (int v = 0; v < 6; ++v) items.push_back({v, {9, 5, 1}});
  network.add_row(40, items);
  Solution solution = solve(network);
  EXPECT_EQ(solution.cost, 12);
  EXPECT_EQ(solution.values, Values(6, 1));
  EXPECT_LE(solution.stats.variables_left, 1);
}

TEST(Eliminate, EqualsBruteForceForOtherCosts) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    Network network = random_network({7, 4, 0.6, 0.1}, seed);
    auto plan = plan_elimination(network, 1 << 20, 1 << 30);
    ASSERT_TRUE(plan);
    for (double& cost : network.costs) cost = cost * 2 + 1;
    EXPECT_EQ(minimise(network, *plan, network.costs).cost, brute_force(network).cost);
  }
}

// What hundreds read is a variable with hundreds of neighbours; so is the nest that reads it at
// hundreds of places.
TEST(Eliminate, OfAStarTakesLinearWork) {
  for (const int leaves : {500, 2000}) {
    Network network;
    const std::vector<double> costs = {0, 1, 2, 3};
    const int32_t hub = network.add_variable(costs), other = network.add_variable(costs);
    const std::vector<double> table(16, 1);
    int32_t last = -1;
    for (int n = 0; n < leaves; ++n) {
      const int32_t leaf = network.add_variable(costs);
      network.add_edge(hub, leaf, table);
      network.add_edge(other, leaf, table);
      if (n % 4 != 0) network.add_edge(last, leaf, table);
      last = leaf;
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::optional<Elimination> plan = plan_elimination(network, 1 << 20, 100'000'000);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->width, 3);
    EXPECT_LE(plan->operations, 2000 * leaves);
  }
}

// On one device every variable has one value, and the size of a table says nothing.
TEST(Eliminate, OfAStarOfSingleValuesLeavesItsMiddleForLast) {
  Network network;
  const int32_t hub = network.add_variable({1}), other = network.add_variable({1});
  for (int n = 0; n < 1000; ++n) {
    const int32_t leaf = network.add_variable({1});
    network.add_edge(hub, leaf, {1});
    network.add_edge(other, leaf, {1});
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::optional<Elimination> plan = plan_elimination(network, 1 << 20, 100'000'000);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->width, 2);
}

TEST(LocalSearch, ObeysRows) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    Network network = random_network({7, 4, 0.5, 0, 2, seed % 2 ? 2 : 0}, seed);
    Solution truth = brute_force(network);
    LocalSearch search(network);
    search.run(Values(network.size(), 0), 200'000);
    if (!search.found()) continue;
    EXPECT_LE(excess_of(network, search.best()), 0);
    EXPECT_EQ(cost_of(network, search.best()), search.best_cost());
    EXPECT_GE(search.best_cost(), truth.cost);
    EXPECT_LE(search.best_cost(), truth.cost * 1.25 + 1);
  }
}

}  // namespace
}  // namespace tessera
