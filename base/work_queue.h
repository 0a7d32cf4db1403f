#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace tessera {

// A thread that does, one after the other, what any threads put into its queue. It goes on after an
// exception, the first of which wait() and done() throw.
//
//   WorkQueue queue;
//   queue.enqueue([&] { n = 1; });
//   queue.wait();                   // n is 1
class WorkQueue {
 public:
  WorkQueue() : thread_([this] { work(); }) {}
  ~WorkQueue();  // waits for what is in the queue
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void enqueue(std::function<void()> work);
  void wait();
  bool done();

 private:
  void work();
  bool idle() const { return queue_.empty() && !busy_; }

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool busy_ = false, ending_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace tessera
