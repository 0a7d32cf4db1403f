#include "runtime/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tessera {
namespace {

// arguments: one count for each chunk, and how often two threads shared scratch. Scratch is a flag.
void count_chunks(void* const* arguments, void* scratch, int64_t begin, int64_t end, int64_t*) {
  auto* counts = static_cast<int*>(arguments[0]);
  auto* clashes = static_cast<std::atomic<int>*>(arguments[1]);
  std::atomic_ref<int> taken(*static_cast<int*>(scratch));
  if (taken.exchange(1) != 0) ++*clashes;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    ++counts[chunk];
    std::this_thread::yield();
  }
  taken = 0;
}

void fault_at_the_end(void* const*, void*, int64_t, int64_t end, int64_t* fault) {
  if (end == 64) std::atomic_ref(*fault).store(7);
}

Kernel kernel_of(Kernel::Entry entry) {
  Kernel kernel;
  kernel.chunks = 64;
  kernel.scratch_bytes = sizeof(int);
  kernel.entry = entry;
  return kernel;
}

TEST(WorkerPool, RunsEachChunkOnceWithScratchOfItsOwn) {
  WorkerPool pool(4);
  pool.reserve_scratch(sizeof(int));
  const Kernel kernel = kernel_of(count_chunks);
  std::vector<int> counts(64, 0);
  std::atomic<int> clashes = 0;
  void* arguments[] = {counts.data(), &clashes};
  for (int round = 1; round <= 50; ++round) {
    EXPECT_EQ(pool.run(kernel, arguments), 0);
    EXPECT_EQ(counts, std::vector<int>(64, round));
  }
  EXPECT_EQ(clashes, 0);
}

TEST(WorkerPool, ReturnsTheFaultOfAnyChunk) {
  WorkerPool pool(4);
  pool.reserve_scratch(sizeof(int));
  EXPECT_EQ(pool.run(kernel_of(fault_at_the_end), nullptr), 7);
}

}  // namespace
}  // namespace tessera
