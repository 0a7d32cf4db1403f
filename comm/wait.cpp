#include "comm/wait.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>

namespace tessera {
namespace {

constexpr std::chrono::microseconds kYieldTime{200};
constexpr std::chrono::microseconds kLongestSleep{250};

void relax_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

bool Backoff::pause() {
  if (spins_left_ > 0) {
    --spins_left_;
    relax_core();
    return true;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!yielding_) {
    yielding_ = true;
    yield_until_ = now + kYieldTime;
  }
  if (now >= yield_until_) return false;
  sched_yield();
  return true;
}

std::chrono::microseconds Backoff::sleep_time() {
  const auto time = sleep_;
  sleep_ = std::min(sleep_ * 2, kLongestSleep);
  return time;
}

// The orders are sequentially consistent on purpose: either the sleeper sees the new value of
// `changes`, or notify() sees the sleeper.
void Event::notify() {
  changes.fetch_add(1);
  if (sleepers.load() > 0) syscall(SYS_futex, &changes, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Event::sleep(uint32_t seen, std::chrono::microseconds at_most) {
  timespec time;
  time.tv_sec = at_most.count() / 1'000'000;
  time.tv_nsec = at_most.count() % 1'000'000 * 1'000;
  sleepers.fetch_add(1);
  if (changes.load() == seen) syscall(SYS_futex, &changes, FUTEX_WAIT, seen, &time, nullptr, 0);
  sleepers.fetch_sub(1);
}

}  // namespace tessera
