#pragma once

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/work_queue.h"
#include "comm/blocks.h"
#include "comm/local/local_group.h"
#include "comm/nccl/nccl_communicator.h"
#include "comm/nccl/simulated_nccl.h"
#include "tests/comm/conformance.h"

namespace tessera {

// A stream over memory of the host.
class HostNcclQueue : public NcclQueue, public SimulatedNcclStream {
 public:
  NcclLibrary::Stream stream() override { return static_cast<SimulatedNcclStream*>(this); }
  bool done() override { return queue_.done(); }
  void copy(void* to, const void* from, size_t bytes) override {
    queue_.wait();
    copy_bytes(to, from, bytes);
  }
  void to_host(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void to_device(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }

  void enqueue(std::function<void()> work) override { queue_.enqueue(std::move(work)); }
  std::byte* real_place(const void* place, size_t) override {
    return static_cast<std::byte*>(const_cast<void*>(place));
  }

 private:
  WorkQueue queue_;
};

// Ranks that are threads, over simulated NCCL.
inline std::vector<std::string> run_nccl_threads(int ranks, const CommOptions& options,
                                                 const RankBody& body) {
  auto world = make_local_group(ranks, options);
  std::vector<std::string> errors(world.size());
  std::vector<std::unique_ptr<Communicator>> groups(world.size());
  std::vector<std::thread> threads;
  for (size_t r = 0; r < world.size(); ++r)
    threads.emplace_back([&, r] {
      groups[r] = std::make_unique<NcclCommunicator>(std::move(world[r]), simulated_nccl(),
                                                     std::make_shared<HostNcclQueue>());
      try {
        body(*groups[r]);
      } catch (const std::exception& error) {
        errors[r] = error.what();
        groups[r]->fail(error.what());
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace tessera
