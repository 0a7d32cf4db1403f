#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace tessera {

enum class Wake { ready, interrupted, timeout };

// One wait's way from impatient to patient: it spins for a microsecond (a peer on another core
// answers at once), then yields (the peer may need this core), then sleeps (the peer computes).
class Backoff {
 public:
  // `spin`: false where more ranks run than there are cores, so that spinning delays the peer.
  explicit Backoff(bool spin) : spins_left_(spin ? kSpins : 0) {}

  // Spins or yields once. False when it is time to sleep instead.
  bool pause();
  std::chrono::microseconds sleep_time();  // grows to its limit

 private:
  static constexpr int kSpins = 60;
  int spins_left_;
  bool yielding_ = false;
  std::chrono::steady_clock::time_point yield_until_;
  std::chrono::microseconds sleep_{50};
};

// Where ranks sleep until another rank changed something. It may lie in memory shared by
// processes: it is a futex and a count of sleepers. All zero bytes is a valid initial state.
struct alignas(64) Event {
  std::atomic<uint32_t> changes{0};
  std::atomic<uint32_t> sleepers{0};

  void notify();
  // Returns when `changes` is no longer `seen`, or after `at_most`, or for no reason.
  void sleep(uint32_t seen, std::chrono::microseconds at_most);
};

// Calls ready() until it is true. While it sleeps it calls interrupted() every few milliseconds
// and gives up when that is true. Whoever makes ready() true calls event.notify() afterwards.
template <typename Ready, typename Interrupted>
Wake await(Event& event, std::chrono::steady_clock::time_point deadline, bool spin, Ready ready,
           Interrupted interrupted) {
  Backoff backoff(spin);
  do {
    if (ready()) return Wake::ready;
  } while (backoff.pause());
  for (;;) {
    const uint32_t seen = event.changes.load();
    if (ready()) return Wake::ready;
    if (interrupted()) return Wake::interrupted;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return Wake::timeout;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - now);
    constexpr std::chrono::microseconds kSlice{5'000};
    event.sleep(seen, std::min(left + std::chrono::microseconds(1), kSlice));
  }
}

}  // namespace tessera
