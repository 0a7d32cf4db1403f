#pragma once

#include <cstddef>
#include <memory>

#include "codegen/kernel.h"

namespace tessera {

// Threads that share the chunks of a kernel; one kernel at a time. The calling thread is one of
// them.
class WorkerPool {
 public:
  // 0: one for each core this process may use.
  explicit WorkerPool(int threads);
  ~WorkerPool();

  int threads() const { return threads_; }
  // Makes room for kernels that need this much scratch per thread.
  void reserve_scratch(size_t bytes);
  // Runs all chunks and returns the fault code, 0 for none.
  int64_t run(const Kernel& kernel, void* const* arguments);

 private:
  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

// Cores that this process may run on (its affinity mask), at least 1.
int usable_cores();

}  // namespace tessera
