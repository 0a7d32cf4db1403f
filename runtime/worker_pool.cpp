#include "runtime/worker_pool.h"

#include <hwloc.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/error.h"
#include "codegen/run_chunks.h"
#include "runtime/arena.h"

namespace tessera {

struct WorkerPool::State {
  explicit State(int threads) : arena(threads) {}

  tbb::task_arena arena;
  size_t scratch_bytes = 0;
  std::vector<Arena> scratch;  // one for each thread
};

int usable_cores() {
  hwloc_topology_t topology = nullptr;
  int cores = 1;
  if (hwloc_topology_init(&topology) != 0) return cores;
  if (hwloc_topology_load(topology) == 0) {
    const hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (hwloc_get_cpubind(topology, mask, HWLOC_CPUBIND_PROCESS) == 0) {
      hwloc_bitmap_and(mask, mask, hwloc_topology_get_topology_cpuset(topology));
      cores = std::max(1, hwloc_bitmap_weight(mask));
    }
    hwloc_bitmap_free(mask);
  }
  hwloc_topology_destroy(topology);
  return cores;
}

WorkerPool::WorkerPool(int threads)
    : threads_(threads > 0 ? threads : usable_cores()), state_(std::make_unique<State>(threads_)) {}

WorkerPool::~WorkerPool() = default;

void WorkerPool::reserve_scratch(size_t bytes) {
  if (bytes <= state_->scratch_bytes) return;
  state_->scratch.clear();
  for (int t = 0; t < threads_; ++t) state_->scratch.emplace_back(bytes);
  state_->scratch_bytes = bytes;
}

int64_t WorkerPool::run(const Kernel& kernel, void* const* arguments) {
  TESSERA_CHECK(kernel.scratch_bytes <= state_->scratch_bytes) << "reserve_scratch comes first";
  const auto scratch_of = [&](int thread) -> void* {
    return state_->scratch.empty() ? nullptr : state_->scratch[static_cast<size_t>(thread)].at(0);
  };
  int64_t fault = 0;
  if (threads_ == 1 || kernel.chunks <= 1) {
    run_chunks(kernel, arguments, scratch_of(0), 0, kernel.chunks, &fault);
    return fault;
  }
  state_->arena.execute([&] {
    tbb::parallel_for(tbb::blocked_range<int64_t>(0, kernel.chunks),
                      [&](const tbb::blocked_range<int64_t>& range) {
                        const int thread = tbb::this_task_arena::current_thread_index();
                        run_chunks(kernel, arguments, scratch_of(thread), range.begin(),
                                   range.end(), &fault);
                      });
  });
  return fault;
}

}  // namespace tessera
