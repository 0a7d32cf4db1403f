#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera {

// Fills buffers for the steps to come on a thread of its own, some steps ahead.
//
//   Prefetcher ahead({.sizes = {4096, 64}, .first = 10, .end = 500, .depth = 4}, fill);
//   for (int64_t step = 10; step < 500; ++step) use(ahead.take(step));
class Prefetcher {
 public:
  using Buffers = std::vector<std::vector<std::byte>>;
  using Fill = std::function<void(int64_t step, Buffers& into)>;
  struct Plan {
    std::vector<size_t> sizes;  // bytes of each buffer
    int64_t first = 0;
    int64_t end = 0;
    int64_t depth = 2;  // steps that are filled at once
  };

  Prefetcher(Plan plan, Fill fill);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // The step that take() is to be called with next.
  int64_t next() const { return taken_; }
  // The buffers of the next step, until the next call; waits for them. Throws what `fill` threw.
  const Buffers& take(int64_t step);

 private:
  void run();

  const Plan plan_;
  const Fill fill_;
  std::vector<Buffers> slots_;  // step s is in s % depth
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t filled_;  // up to this step
  int64_t taken_;   // by the user, up to this step
  bool stopping_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace tessera
