#include "launcher/launcher_watch.h"

#include <chrono>
#include <optional>

#include "launcher/lasting.h"

namespace tessera {

LauncherWatch::LauncherWatch(WatchedProcess launcher, double patience_seconds,
                             std::function<void(WatchEnd)> end)
    : thread_([this, launcher, patience_seconds, end = std::move(end)] {
        watch(launcher, patience_seconds, end);
      }) {}

LauncherWatch::~LauncherWatch() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  over_.notify_all();
  thread_.join();
}

void LauncherWatch::watch(WatchedProcess launcher, double patience,
                          const std::function<void(WatchEnd)>& end) {
  constexpr std::chrono::milliseconds kPeriod{100};
  Lasting stopped;
  std::unique_lock lock(mutex_);
  while (!over_.wait_for(lock, kPeriod, [this] { return done_; })) {
    const std::optional<ProcessState> state = process_state(launcher.pid);
    if (!state || state->ended() || state->started != launcher.started) return end(WatchEnd::gone);
    if (stopped.seconds(state->stopped()) >= patience) return end(WatchEnd::stopped);
  }
}

}  // namespace tessera
