#include "comm/clock_offset.h"

#include <chrono>
#include <cstdint>
#include <fstream>
#include <vector>

#include "base/hash.h"

namespace tessera {
namespace {

constexpr int kQuestions = 16;
constexpr int kTag = 21;

ClockOffset ask(Communicator& world, const RankClock& clock) {
  ClockOffset best;
  for (int i = 0; i < kQuestions; ++i) {
    char question = 0;
    double answer = 0;
    const double asked = clock.now();
    world.send(&question, sizeof question, 0, kTag);
    world.recv(&answer, sizeof answer, 0, kTag);
    const double heard = clock.now();
    const double error = (heard - asked) / 2;
    if (i == 0 || error < best.error) best = {answer - (asked + heard) / 2, error};
  }
  return best;
}

void answer(Communicator& world, const RankClock& clock, int rank) {
  for (int i = 0; i < kQuestions; ++i) {
    char question = 0;
    world.recv(&question, sizeof question, rank, kTag);
    const double now = clock.now();
    world.send(&now, sizeof now, rank, kTag);
  }
}

}  // namespace

RankClock steady_rank_clock() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return {
      [] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
      },
      boot};
}

ClockOffset measure_clock_offset(Communicator& world, const RankClock& clock) {
  world.set_context("comparing the clocks of ranks");
  const auto name = static_cast<int64_t>(hash_bytes(clock.name));
  const std::vector<size_t> counts(static_cast<size_t>(world.size()), 1);
  std::vector<int64_t> names(counts.size());
  world.all_gather(&name, names.data(), counts, DType::i64);
  ClockOffset mine;
  for (int rank = 1; rank < world.size(); ++rank) {
    if (names[static_cast<size_t>(rank)] == names[0]) continue;
    if (world.rank() == rank) mine = ask(world, clock);
    if (world.rank() == 0) answer(world, clock, rank);
  }
  return mine;
}

}  // namespace tessera
