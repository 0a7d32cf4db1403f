#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

namespace tessera {

inline std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "unknown error";
  }
}

// Which tasks are done in the current pass, and the first error of either stream. A pass is a step,
// or an iteration of a loop; both streams number them alike, upwards. A stream may be a pass ahead
// of the other. Any thread may call.
class StreamProgress {
 public:
  explicit StreamProgress(size_t tasks) : done_(tasks, 0) {}

  // Waits for tasks; false when the step failed.
  bool wait_for(const std::vector<int>& tasks, int64_t pass) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failed_ || all_done(tasks, pass); });
    return !failed_;
  }

  void finish(int task, int64_t pass) {
    {
      const std::lock_guard lock(mutex_);
      done_[static_cast<size_t>(task)] = pass;
    }
    changed_.notify_all();
  }

  // True for the first error, which is kept.
  bool fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    const bool first = !failed_;
    if (first) error_ = std::move(error);
    failed_ = true;
    changed_.notify_all();
    return first;
  }

  void rethrow() {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
  }

  // Of the error that is kept.
  std::string error_text() {
    const std::lock_guard lock(mutex_);
    return error_ ? text_of(error_) : "";
  }

  bool failed() {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

 private:
  bool all_done(const std::vector<int>& tasks, int64_t pass) const {
    for (int task : tasks)
      if (done_[static_cast<size_t>(task)] < pass) return false;
    return true;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int64_t> done_;  // the last pass in which each task ended
  std::exception_ptr error_;
  bool failed_ = false;
};

}  // namespace tessera
