#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "launcher/process_state.h"

namespace tessera {

// A process to be watched over, as `supervise` writes it for its ranks.
struct WatchedProcess {
  pid_t pid = 0;
  uint64_t started = 0;
};

enum class WatchEnd { gone, stopped };

// On a rank: watches the process that supervises it, on a thread of its own, as nobody else would
// end the rank. `end` is called once, when that process is gone, or has been stopped (SIGSTOP,
// Ctrl-Z) for `patience_seconds` without a break.
class LauncherWatch {
 public:
  LauncherWatch(WatchedProcess launcher, double patience_seconds,
                std::function<void(WatchEnd)> end);
  ~LauncherWatch();
  LauncherWatch(const LauncherWatch&) = delete;
  LauncherWatch& operator=(const LauncherWatch&) = delete;

 private:
  void watch(WatchedProcess launcher, double patience, const std::function<void(WatchEnd)>& end);

  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace tessera
