#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codegen/gpu/warp_functions.h"

namespace tessera {

// A block of a simulated GPU: threads that take turns on one thread of the host, each on a stack of
// its own.
class SimulatedBlock {
 public:
  using Entry = void (*)(void* const* arguments);

  SimulatedBlock();
  ~SimulatedBlock();
  SimulatedBlock(const SimulatedBlock&) = delete;
  SimulatedBlock& operator=(const SimulatedBlock&) = delete;

  // Until all threads have returned.
  void run(Entry entry, void* const* arguments, int number, int threads);

  // What the thread that runs may ask for.
  struct Fiber;
  Fiber& running() { return *running_; }
  int number() const { return number_; }
  // As much as the kernel says that it has; what it writes beyond shows when the block ends.
  void* shared(size_t bytes);
  void wait_for_block();
  // Waits until all threads of the warp have come here with an operand; the last one calls `act`
  // with those of all of them, by lane.
  using Act = std::function<void(const std::vector<void*>& operands)>;
  void wait_for_warp(void* operand, const Act& act);
  int thread() const;

  // Is it one of 16 bytes in shared memory, to which no copy is on its way? Where it is not, run()
  // throws InternalError.
  bool may_read_line(const std::byte* address);
  // Copies of the thread that runs: 16 bytes to shared memory, 0 where `bytes` is 0. On a GPU they
  // arrive at any time before the thread has waited for them. Here those of odd threads arrive at
  // once, and those of even ones as late as they may, so that a wait that is missing shows, and so
  // does a copy over what others still read.
  void copy(std::byte* to, const std::byte* from, int bytes);
  void close_copies();
  void wait_for_copies(int pending);

  // What is left out of kernels, so that tests see what happens.
  struct Omissions {
    bool waits = false, barriers = false;
  };
  void omit(Omissions omissions) { omitted_ = omissions; }

  // Lines of squares that were read from banks in which another of the eight lines lay. On a GPU
  // each costs a turn of the memory.
  int64_t conflicts() const { return conflicts_; }
  void count_conflicts(const std::vector<LoadedSquares*>& warp);

 private:
  void turn(Fiber& fiber);
  void release();
  void arrive(Fiber& fiber, size_t groups);
  bool is_line(const std::byte* address);
  void complain(const std::string& what);

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> live_;
  Fiber* running_ = nullptr;
  Entry entry_ = nullptr;
  void* const* arguments_ = nullptr;
  int number_ = 0, threads_ = 0;
  int64_t conflicts_ = 0;
  std::map<const std::byte*, int> on_the_way_;  // copies, by where they go
  Omissions omitted_;
  std::string problem_;
  std::vector<uint64_t> shared_;
  size_t shared_bytes_ = 0;
  struct Host;
  std::unique_ptr<Host> host_;
};

// What kernels for the simulated machine call, by name, in the block that runs on this thread.
std::map<std::string, void*> simulated_functions();

}  // namespace tessera
