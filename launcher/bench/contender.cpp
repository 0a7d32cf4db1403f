#include "launcher/bench/contender.h"

#include <algorithm>

#include "base/stopwatch.h"
#include "launcher/bench/prepared_step.h"
#include "launcher/median.h"

namespace tessera {
namespace {

constexpr int kRounds = 5, kLeastRounds = 3;
constexpr double kLong = 0.1;  // seconds of a run that needs no warming up

}  // namespace

double Contender::median() const {
  return median_of(seconds);
}

std::vector<double> time_runs(const std::function<void()>& run, double seconds) {
  const Stopwatch begin;
  run();
  if (const double first = begin.seconds(); first > kLong) return {first};
  std::vector<double> times;
  const Stopwatch start;
  do {
    const Stopwatch before;
    run();
    times.push_back(before.seconds());
  } while (start.seconds() < seconds);
  return times;
}

void race(std::vector<Contender>& contenders, double seconds) {
  const Stopwatch start;
  const double wanted = 2 * seconds * static_cast<double>(contenders.size());
  for (int round = 0; round < kRounds; ++round) {
    if (round >= kLeastRounds && start.seconds() > wanted) break;
    for (Contender& each : contenders) {
      if (!each.time) continue;
      const std::vector<double> times = each.time(seconds / kRounds);
      each.seconds.insert(each.seconds.end(), times.begin(), times.end());
    }
  }
  for (Contender& each : contenders) std::sort(each.seconds.begin(), each.seconds.end());
}

}  // namespace tessera
