#include "launcher/bench/contender.h"
#include "launcher/median.h"

#include <algorithm>
#include <chrono>

#include "launcher/bench/prepared_step.h"

namespace tessera {
namespace {

constexpr int kRounds = 5, kLeastRounds = 3;
constexpr double kLong = 0.1;  // seconds of a run that needs no warming up

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

double Contender::median() const {
  return median_of(seconds);
}

std::vector<double> time_runs(const std::function<void()>& run, double seconds) {
  const Clock::time_point begin = Clock::now();
  run();
  if (const double first = seconds_since(begin); first > kLong) return {first};
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point before = Clock::now();
    run();
    times.push_back(seconds_since(before));
  } while (seconds_since(start) < seconds);
  return times;
}

void race(std::vector<Contender>& contenders, double seconds) {
  const Clock::time_point start = Clock::now();
  const double wanted = 2 * seconds * static_cast<double>(contenders.size());
  for (int round = 0; round < kRounds; ++round) {
    if (round >= kLeastRounds && seconds_since(start) > wanted) break;
    for (Contender& each : contenders) {
      if (!each.time) continue;
      const std::vector<double> times = each.time(seconds / kRounds);
      each.seconds.insert(each.seconds.end(), times.begin(), times.end());
    }
  }
  for (Contender& each : contenders) std::sort(each.seconds.begin(), each.seconds.end());
}

}  // namespace tessera
