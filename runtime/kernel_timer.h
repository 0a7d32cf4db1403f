#pragma once

#include <map>
#include <memory>
#include <string>

#include "codegen/kernel_group.h"
#include "runtime/worker_pool.h"

namespace tessera {

// Times kernels alone, on buffers of its own that are reused from call to call: floats in [-1, 1),
// integers in the range that the extents they index allow. One caller at a time.
//
//   KernelTimer timer(threads);
//   timer.seconds(kernel, group)      // one run, the mean over about a millisecond of them
class KernelTimer {
 public:
  explicit KernelTimer(int threads);
  ~KernelTimer();

  // Throws UserError when the kernel reports a fault for these inputs.
  double seconds(const Kernel& kernel, const KernelGroup& group);

 private:
  struct Buffers;

  WorkerPool workers_;
  std::string filled_for_;  // the canonical text of the group that the buffers are for
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace tessera
