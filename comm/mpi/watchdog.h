#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace tessera {

// For calls that wait for others and cannot be given up, such as MPI_Init: while it lives it counts
// down, and calls `expired` on a thread of its own when the time is over. As nothing can go on
// then, `expired` should end the process.
//
//   const Watchdog watchdog(std::chrono::seconds(30), [] { …; _exit(3); });
//   MPI_Init_thread(…);
class Watchdog {
 public:
  Watchdog(std::chrono::milliseconds limit, std::function<void()> expired);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace tessera
