// Networks whose rows lie in spans: the anytime solver beside all assignments, and its parts.
#include "placement/anytime/solve_anytime.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "placement/anytime/dominated_rows.h"
#include "placement/anytime/message_bound.h"
#include "placement/anytime/region_search.h"
#include "placement/presolve.h"
#include "placement/range_maximum.h"

namespace tessera {
namespace {

struct Random {
  std::mt19937 generator;
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(generator); }
  double whole(double most) { return std::floor(uniform() * most); }
};

// Up to seven variables, each with bytes in a range of six rows.
Network random_network(uint32_t seed) {
  Random random{std::mt19937(seed)};
  Network network;
  const int variables = 3 + static_cast<int>(random.whole(5));
  const double forbidden = random.uniform() < 0.5 ? 0.0 : 0.3;
  const auto cost = [&] { return random.uniform() < forbidden ? kForbidden : random.whole(100); };
  for (int v = 0; v < variables; ++v) {
    std::vector<double> costs(1 + static_cast<size_t>(random.whole(4)));
    for (double& c : costs) c = random.whole(100);
    network.add_variable(costs);
  }
  for (int a = 0; a < variables; ++a)
    for (int b = a + 1; b < variables; ++b) {
      if (random.uniform() > 0.5) continue;
      std::vector<double> table(static_cast<size_t>(network.domain(a) * network.domain(b)));
      for (double& c : table) c = cost();
      network.add_edge(a, b, table);
    }
  constexpr int kRows = 6;
  for (int r = 0; r < kRows; ++r) network.add_row(30 + random.whole(25.0 * variables), {});
  for (int v = 0; v < variables; ++v) {
    const auto begin = static_cast<int32_t>(random.whole(kRows));
    const auto end = begin + 1 + static_cast<int32_t>(random.whole(kRows - begin));
    std::vector<double> bytes(static_cast<size_t>(network.domain(v)));
    for (double& b : bytes) b = random.whole(50);
    network.add_span(v, begin, end, bytes);
  }
  return network;
}

double least_cost(const Network& network) {
  double best = kForbidden;
  Values values(network.size(), 0);
  while (true) {
    if (excess_of(network, values) <= 0) best = std::min(best, cost_of(network, values));
    int32_t v = 0;
    while (v < network.size() && ++values[v] == network.domain(v)) values[v++] = 0;
    if (v == network.size()) return best;
  }
}

AnytimeOptions options(double seconds) {
  AnytimeOptions result;
  result.until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int>(1e3 * seconds));
  return result;
}

TEST(SolveAnytime, BoundsAndCostsEncloseTheOptimum) {
  int found = 0, proven = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const Network network = random_network(seed);
    const double truth = least_cost(network);
    const Solution solution = solve_anytime(network, options(0.02));
    EXPECT_LE(solution.bound, truth + 1e-6) << "seed " << seed;
    EXPECT_GE(solution.cost, truth) << "seed " << seed;
    if (!solution.found()) continue;
    EXPECT_EQ(cost_of(network, solution.values), solution.cost) << "seed " << seed;
    EXPECT_LE(excess_of(network, solution.values), 0) << "seed " << seed;
    ++found;
    proven += solution.optimal();
  }
  EXPECT_GT(found, 150);
  EXPECT_GT(proven, 100);
}

// Presolve and fewer rows keep the optimum.
TEST(Presolve, KeepsTheOptimumOfSpans) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    const Network network = random_network(seed);
    const double truth = least_cost(network);
    const Reduced reduced = presolve(network);
    if (reduced.infeasible) {
      EXPECT_EQ(truth, kForbidden) << "seed " << seed;
      continue;
    }
    const FewerRows fewer = drop_dominated_rows(reduced.network);
    EXPECT_EQ(fewer.row.size(), network.rows.size());
    const double left = fewer.network.size() == 0 ? 0 : least_cost(fewer.network);
    EXPECT_EQ(left + reduced.constant, truth) << "seed " << seed;
  }
}

TEST(Presolve, StopsWhenToldToAndKeepsTheOptimum) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    const Network network = random_network(seed);
    int calls = 0;
    const Reduced reduced = presolve(network, 1000, [&] { return ++calls > 4; });
    if (reduced.infeasible || reduced.network.size() == 0) continue;
    EXPECT_EQ(least_cost(reduced.network) + reduced.constant, least_cost(network)) << seed;
  }
}

TEST(DominatedRows, OneRowStandsForThoseThatHoldLess) {
  Network network;
  const int32_t a = network.add_variable({0, 0}), b = network.add_variable({0, 0});
  for (int r = 0; r < 3; ++r) network.add_row(r == 2 ? 20 : 10, {});
  const double of_a[] = {4, 6}, of_b[] = {3, 5};
  network.add_span(a, 0, 2, of_a);
  network.add_span(b, 1, 3, of_b);
  const FewerRows fewer = drop_dominated_rows(network);
  ASSERT_EQ(fewer.network.rows.size(), 1u);
  EXPECT_EQ(fewer.network.rows[0].limit, 3);
  EXPECT_EQ(fewer.network.bytes, (std::vector<double>{0, 2, 0, 2}));
  EXPECT_EQ(fewer.row, (std::vector<int32_t>{0, 0, 0}));
}

TEST(RangeMaximum, IsTheGreatestOfEveryRange) {
  const std::vector<double> values = {3, -1, 9, 1, 1, 4, 0};
  const RangeMaximum maximum(values);
  for (int32_t begin = 0; begin < 7; ++begin)
    for (int32_t end = begin + 1; end <= 7; ++end)
      EXPECT_EQ(maximum.of(begin, end),
                *std::max_element(values.begin() + begin, values.begin() + end));
}

TEST(MessageBound, NoValueIsPartOfACheaperAssignmentThanItsBound) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const Network network = random_network(seed);
    const double truth = least_cost(network);
    MessageBound messages(network, {});
    for (int pass = 0; pass < 30; ++pass) {
      messages.pass();
      EXPECT_LE(messages.bound(), truth + 1e-6) << "seed " << seed;
      const std::vector<double> bounds = messages.bounds_of_values();
      for (int32_t v = 0; pass % 10 == 9 && v < network.size(); ++v)
        for (int32_t x = 0; x < network.domain(v); ++x) {
          Network fixed = network;
          for (int32_t y = 0; y < network.domain(v); ++y)
            if (y != x) fixed.costs[network.first[v] + y] = kForbidden;
          EXPECT_LE(bounds[network.first[v] + x], least_cost(fixed) + 1e-6) << "seed " << seed;
        }
      messages.move_prices(truth == kForbidden ? 1000 : truth);
    }
  }
}

TEST(RegionSearch, CountsCostAndExcessAsTheNetworkDoes) {
  int feasible = 0;
  for (uint32_t seed = 0; seed < 100; ++seed) {
    const Network network = random_network(seed);
    RegionSearch search(network, seed);
    search.load(Values(network.size(), 0));
    for (int step = 0; step < 60; ++step) search.step();
    EXPECT_EQ(search.excess() <= 0, excess_of(network, search.values()) <= 0) << "seed " << seed;
    if (!search.feasible()) continue;
    EXPECT_NEAR(search.cost(), cost_of(network, search.values()), 1e-6) << "seed " << seed;
    ++feasible;
  }
  EXPECT_GT(feasible, 50);
}

// Many variables, and an answer in time.
TEST(SolveAnytime, KeepsToItsTimeOnALargeNetwork) {
  Random random{std::mt19937(7)};
  Network network;
  constexpr int kVariables = 20'000;
  for (int v = 0; v < kVariables; ++v)
    network.add_variable({random.whole(100), random.whole(100), random.whole(100)});
  for (int v = 1; v < kVariables; ++v)
    for (int k = 0; k < 2; ++k) {
      const int u = std::max(0, v - 1 - static_cast<int>(random.whole(50)));
      std::vector<double> table(9);
      for (double& cost : table) cost = random.whole(30);
      network.add_edge(u, v, table);
    }
  for (int r = 0; r < 200; ++r) network.add_row(100 * 12, {});
  const double bytes[] = {4, 10, 20};
  for (int v = 0; v < kVariables; ++v) network.add_span(v, v / 100, v / 100 + 1, bytes);
  const auto begin = std::chrono::steady_clock::now();
  const Solution solution = solve_anytime(network, options(10));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(solution.found());
  EXPECT_GT(solution.bound, 0);
  EXPECT_LT(taken.count(), 60);  // on a loaded machine, under sanitizers
}

}  // namespace
}  // namespace tessera
