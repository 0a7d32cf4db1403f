#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "comm/call.h"

namespace tessera {

// What a rank is doing, for whoever watches it: written by the threads that do it, read by any, at
// any time. Writing costs some ten nanoseconds for work, and a hundred for a call.
//
//   activity.work(&text);            // one kernel after another; the texts outlive clear_work()
//   activity.begin(info); … activity.end();
//   activity.text()                  // "task 2, loss+d_w, mlp.tess:7; all-reduce (sum) of 2 f32
//                                    // (8 bytes) during `task 3, all-reduce loss, mlp.tess:8`"
class Activity {
 public:
  void work(const std::string* what) { work_.store(what, std::memory_order_release); }
  // How many steps of the job this rank has done.
  void step(int64_t number) { step_.store(number, std::memory_order_relaxed); }
  int64_t steps() const { return step_.load(std::memory_order_relaxed); }

  // Afterwards nobody reads a text that was given to work().
  void clear_work();

  void begin(const CallInfo& info);
  void end();

  std::string text() const;  // "" when it was never told anything

 private:
  std::atomic<const std::string*> work_{nullptr};
  std::atomic<int64_t> step_{0};
  mutable std::mutex mutex_;
  bool calls_ = false;  // in a call now; else `call_` is the last one
  bool called_ = false;
  Call call_;
  std::string context_;
};

}  // namespace tessera
