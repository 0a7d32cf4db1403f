#include "placement/anytime/solve_anytime.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "placement/anytime/dominated_rows.h"
#include "placement/anytime/message_bound.h"
#include "placement/anytime/region_search.h"
#include "placement/presolve.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kClose = 1e-9;  // relative; nearer is equal, as far as doubles can tell

// What the two threads tell each other.
struct Shared {
  std::mutex mutex;
  double bound = -kForbidden;
  std::vector<double> prices;
  Values suggested;
  int64_t suggestions = 0;
  std::vector<char> hopeless;  // values that no better assignment has
  std::exception_ptr failure;
  std::atomic<double> cost = kForbidden;  // of the best assignment
  std::atomic<bool> stop = false;         // said to the bound's thread
  std::atomic<bool> shrink = false;       // said by it: hopeless is filled
};

// Where a search gets no further, shakes it, and takes it back when that has led nowhere.
class Shaker {
 public:
  void after_step(RegionSearch& search, bool better) {
    without_gain_ = better ? 0 : without_gain_ + 1;
    const auto size = static_cast<int64_t>(search.values().size());
    if (!search.feasible() || without_gain_ < (shaken_ ? 30 : 200 + size / 4)) return;
    without_gain_ = 0;
    if (!shaken_ || search.cost() <= cost_) {
      values_ = search.values();
      cost_ = search.cost();
    } else {
      search.load(values_);
    }
    for (int time = 0; time < 20; ++time)
      if (search.shake()) break;
    shaken_ = true;
  }

 private:
  int64_t without_gain_ = 0;
  bool shaken_ = false;
  Values values_;  // before the shake
  double cost_ = 0;
};

class AnytimeSolver {
 public:
  AnytimeSolver(const Network& network, const AnytimeOptions& options)
      : network_(network), options_(options), begin_(Clock::now()) {}

  Solution run() {
    best_.stats.variables = network_.size();
    best_.stats.method = "messages and regions";
    Network merged = merge_parallel_edges(network_);
    if (reduce(merged)) {
      while (!out_of_time() && !closed() && round()) {
      }
    }
    best_.stats.variables_left = now_.size();
    return std::move(best_);
  }

 private:
  bool out_of_time() const { return Clock::now() >= options_.until; }
  bool closed() const {
    return best_.cost != kForbidden && best_.bound >= best_.cost - kClose * std::abs(best_.cost);
  }

  void report(bool always = false) {
    const std::chrono::duration<double> since = Clock::now() - begin_;
    if (!options_.progress || (!always && since.count() < reported_ + 1)) return;
    reported_ = since.count();
    options_.progress({since.count(), best_.cost, best_.bound});
  }

  // Presolves, drops rows, and again, in a quarter of what time is left at most. False when nothing
  // is left to decide.
  bool reduce(const Network& network) {
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end = begin + (options_.until - begin) / 4;
    const Stop stop = [&] { return Clock::now() >= end; };
    Network next = network;
    for (int time = 0; time < 3; ++time) {
      const int32_t before = next.size();
      Reduced reduced = presolve(next, 50'000'000, stop);
      if (reduced.infeasible) {
        raise_bound(kForbidden);
        return false;
      }
      constant_ += reduced.constant;
      FewerRows fewer = drop_dominated_rows(reduced.network);
      std::vector<double> prices(fewer.network.rows.size(), 0);
      for (size_t r = 0; r < prices_.size(); ++r) prices[fewer.row[r]] += prices_[r];
      prices_ = std::move(prices);
      Network values;  // all that the way back and forth needs
      values.first = std::move(reduced.network.first);
      values.costs = std::move(reduced.network.costs);
      reduced.network = std::move(values);
      layers_.push_back(std::move(reduced));
      next = std::move(fewer.network);
      if (next.size() > 0.95 * before) break;
    }
    now_ = std::move(next);
    if (now_.size() > 0) return true;
    take({}, 0);
    raise_bound(constant_);
    return false;
  }

  // Once values have been dropped, the bound is one of the assignments that are left, which may all
  // be dearer than the best one known.
  void raise_bound(double bound) {
    TESSERA_CHECK(dropped_ || bound <= best_.cost + 1e-6 * (1 + std::abs(best_.cost)))
        << "a bound of " << bound << " above a cost of " << best_.cost;
    best_.bound = std::max(best_.bound, std::min(bound, best_.cost));
  }

  Values original(Values values) const {
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
      values = restore(*layer, values);
    return values;
  }

  void take(const Values& values, double cost) {
    if (cost + constant_ >= best_.cost) return;
    Values all = original(values);
    const double total = cost_of(network_, all);
    if (total >= best_.cost || excess_of(network_, all) > 0) return;
    best_.cost = total;
    best_.values = std::move(all);
  }

  // The best assignment, in the reduced network.
  Values projected() const {
    Values values = best_.values;
    for (const Reduced& layer : layers_) values = project(layer, values);
    return values;
  }

  // Assignments under ever higher prices, until one fits.
  void start(RegionSearch& search) {
    if (!best_.values.empty()) {
      search.load(projected());
      return;
    }
    double costs = 0, bytes = 1;
    for (const double cost : now_.costs) costs += std::abs(cost);
    for (const double taken : now_.bytes) bytes += taken;
    double price =
        1e-3 * costs / bytes / std::max<double>(1, static_cast<double>(now_.rows.size()));
    for (int time = 0; time < 16 && !out_of_time(); ++time, price *= 8) {
      MessageBound messages(now_, std::vector<double>(now_.rows.size(), time == 0 ? 0 : price));
      messages.pass();
      messages.pass();
      if (time == 0)
        search.load(messages.suggested());
      else
        search.blend(messages.suggested());
      if (search.feasible()) break;
    }
  }

  // The bound's thread.
  void raise(Shared& shared, std::vector<double> prices) {
    MessageBound messages(now_, std::move(prices));
    const size_t values = now_.costs.size();
    for (int64_t passes = 1; !shared.stop && !out_of_time(); ++passes) {
      messages.pass();
      const double cost = shared.cost;
      {
        const std::lock_guard<std::mutex> lock(shared.mutex);
        shared.bound = std::max(shared.bound, messages.bound());
        shared.suggested = messages.suggested();
        ++shared.suggestions;
        shared.prices = messages.best_prices();
      }
      if (cost != kForbidden && passes % 20 == 0) {
        const std::vector<double> bounds = messages.bounds_of_values();
        std::vector<char> hopeless(values);
        size_t count = 0;
        for (size_t i = 0; i < values; ++i) {
          hopeless[i] = bounds[i] > cost + kClose * std::abs(cost + constant_);
          count += hopeless[i];
        }
        if (count > values / 8) {
          const std::lock_guard<std::mutex> lock(shared.mutex);
          shared.hopeless = std::move(hopeless);
          shared.shrink = true;
          return;
        }
      }
      const double bound = messages.bound();
      messages.move_prices(cost != kForbidden ? cost : bound + 0.1 * std::abs(bound));
    }
  }

  // Both threads on the network as it is now. False when it can shrink no further.
  bool round() {
    Shared shared;
    if (best_.cost != kForbidden) shared.cost = best_.cost - constant_;
    std::thread bounding([&] {
      try {
        raise(shared, prices_);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(shared.mutex);
        shared.failure = std::current_exception();
      }
    });
    try {
      improve(shared);
    } catch (...) {
      shared.stop = true;
      bounding.join();
      throw;
    }
    shared.stop = true;
    bounding.join();
    if (shared.failure) std::rethrow_exception(shared.failure);
    raise_bound(shared.bound + constant_);
    report(true);
    if (!shared.shrink) return false;
    prices_ = shared.prices;
    dropped_ = true;
    Network smaller = now_;
    for (size_t i = 0; i < shared.hopeless.size(); ++i)
      if (shared.hopeless[i]) smaller.costs[i] = kForbidden;
    return reduce(smaller);
  }

  void improve(Shared& shared) {
    RegionSearch search(now_, options_.seed + layers_.size());
    start(search);
    Shaker shaker;
    int64_t seen = 0;
    bool better = true;
    for (int64_t steps = 0; !closed() && !shared.shrink; ++steps) {
      if (better && search.feasible() && search.cost() < shared.cost) {
        take(search.values(), search.cost());
        if (best_.cost != kForbidden)
          shared.cost = std::min<double>(shared.cost, best_.cost - constant_);
      }
      if (out_of_time()) break;
      better = false;
      if (steps % 16 == 0) {
        Values suggested;
        {
          const std::lock_guard<std::mutex> lock(shared.mutex);
          if (shared.suggestions != seen) suggested = shared.suggested;
          seen = shared.suggestions;
          if (!shared.prices.empty()) search.set_prices(shared.prices);
          raise_bound(shared.bound + constant_);
        }
        if (!suggested.empty()) better = search.blend(suggested);
        report();
      }
      better |= search.step();
      shaker.after_step(search, better);
    }
  }

  const Network& network_;
  const AnytimeOptions& options_;
  Clock::time_point begin_;
  double reported_ = -1;
  std::vector<Reduced> layers_;  // each from the one before; without their networks
  double constant_ = 0;          // cost of what the layers have taken out
  bool dropped_ = false;         // values that no better assignment has
  Network now_;
  std::vector<double> prices_;
  Solution best_;
};

}  // namespace

Solution solve_anytime(const Network& network, const AnytimeOptions& options) {
  TESSERA_CHECK(network.factors.empty() && network.entries.empty());
  return AnytimeSolver(network, options).run();
}

}  // namespace tessera
