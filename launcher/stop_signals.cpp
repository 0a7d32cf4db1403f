#include "launcher/stop_signals.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <mutex>

namespace tessera {
namespace {

// Handlers belong to the process, so what they need does, too.
constexpr std::array<int, 2> kSignals = {SIGTERM, SIGUSR1};
std::atomic<int> last_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

struct Installed {
  std::mutex mutex;
  int users = 0;
  std::array<struct sigaction, kSignals.size()> before{};
};

Installed& installed() {
  static Installed all;
  return all;
}

void remember(int number) {
  last_signal.store(number);
}

}  // namespace

StopSignals::StopSignals() {
  Installed& all = installed();
  const std::lock_guard lock(all.mutex);
  if (all.users++ > 0) return;
  last_signal.store(0);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    action.sa_handler = remember;
    action.sa_flags = SA_RESTART;
    ::sigaction(kSignals[i], &action, &all.before[i]);
  }
}

StopSignals::~StopSignals() {
  Installed& all = installed();
  const std::lock_guard lock(all.mutex);
  if (--all.users > 0) return;
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &all.before[i], nullptr);
}

void StopSignals::take(int number) {
  last_signal.store(number);
}

int StopSignals::seen() {
  return last_signal.load();
}

}  // namespace tessera
