#include "codegen/gpu/simulated_block.h"

#include <fmt/format.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <set>
#include <utility>

#include "base/error.h"
#include "codegen/gpu/gpu_schedule.h"
#include "codegen/gpu/warp_functions.h"

namespace tessera {
namespace {

constexpr size_t kStackBytes = 128 << 10;
constexpr size_t kSharedWords = 256 << 7;  // as much as any device has

constexpr std::ptrdiff_t kLineBytes = 16;  // of a square that is read at once

constexpr uint64_t kUnused = 0xa5a5a5a5a5a5a5a5u;

thread_local SimulatedBlock* current = nullptr;

// Of 16 bytes, which a thread has begun.
struct Copy {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;  // nullptr: zeros

  void arrive() const {
    if (from != nullptr)
      std::memcpy(to, from, kLineBytes);
    else
      std::memset(to, 0, kLineBytes);
  }
};

}  // namespace

struct SimulatedBlock::Fiber {
  enum class State : uint8_t { ready, at_barrier, at_warp, done };
  ucontext_t context{};
  std::vector<char> stack = std::vector<char>(kStackBytes);
  State state = State::ready;
  int thread = 0;
  void* operand = nullptr;
  const Act* act = nullptr;
  std::vector<Copy> copies;              // of the group that is not closed
  std::deque<std::vector<Copy>> closed;  // oldest first
};

struct SimulatedBlock::Host {
  ucontext_t context{};
};

SimulatedBlock::SimulatedBlock() : shared_(kSharedWords), host_(std::make_unique<Host>()) {}
SimulatedBlock::~SimulatedBlock() = default;

void* SimulatedBlock::shared(size_t bytes) {
  shared_bytes_ = bytes;
  return shared_.data();
}

// Nothing can be thrown through a kernel's frames: run() throws what is found first.
void SimulatedBlock::complain(const std::string& what) {
  if (problem_.empty()) problem_ = what;
}

bool SimulatedBlock::is_line(const std::byte* address) {
  const std::ptrdiff_t at = address - reinterpret_cast<const std::byte*>(shared_.data());
  if (at >= 0 && at + kLineBytes <= static_cast<std::ptrdiff_t>(shared_bytes_) &&
      at % kLineBytes == 0)
    return true;
  complain(fmt::format("16 bytes at byte {} of {} bytes of shared memory", at, shared_bytes_));
  return false;
}

bool SimulatedBlock::may_read_line(const std::byte* address) {
  if (!is_line(address)) return false;
  if (on_the_way_.count(address) == 0) return true;
  complain("shared memory is read while a copy to it is on its way");
  return false;
}

void SimulatedBlock::copy(std::byte* to, const std::byte* from, int bytes) {
  if (!is_line(to)) return;
  if (bytes != 0 && reinterpret_cast<uintptr_t>(from) % kLineBytes != 0)
    return complain("16 bytes are copied from an address that 16 does not divide");
  const Copy copy{to, bytes == 0 ? nullptr : from};
  if (running_->thread % 2 == 1) copy.arrive();
  ++on_the_way_[to];
  running_->copies.push_back(copy);
}

void SimulatedBlock::close_copies() {
  running_->closed.push_back(std::move(running_->copies));
  running_->copies.clear();
}

void SimulatedBlock::wait_for_copies(int pending) {
  const auto left = static_cast<size_t>(pending);
  std::deque<std::vector<Copy>>& closed = running_->closed;
  if (!omitted_.waits && closed.size() > left) arrive(*running_, closed.size() - left);
}

// The oldest groups.
void SimulatedBlock::arrive(Fiber& fiber, size_t groups) {
  for (; groups > 0; --groups) {
    for (const Copy& copy : fiber.closed.front()) {
      if (fiber.thread % 2 == 0) copy.arrive();
      const auto at = on_the_way_.find(copy.to);
      if (--at->second == 0) on_the_way_.erase(at);
    }
    fiber.closed.pop_front();
  }
}

void SimulatedBlock::count_conflicts(const std::vector<LoadedSquares*>& warp) {
  constexpr size_t kLines = 8;  // that are read at once, 128 bytes
  for (size_t s = 0; s + kLines <= warp.size(); s += kLines) {
    std::set<uintptr_t> banks;
    for (size_t i = s; i < s + kLines; ++i)
      banks.insert(reinterpret_cast<uintptr_t>(warp[i]->address) / kLineBytes % kLines);
    conflicts_ += static_cast<int64_t>(kLines - banks.size());
  }
}

int SimulatedBlock::thread() const {
  return running_->thread;
}

void SimulatedBlock::turn(Fiber& fiber) {
  running_ = &fiber;
  TESSERA_CHECK(swapcontext(&host_->context, &fiber.context) == 0);
}

void SimulatedBlock::wait_for_block() {
  if (omitted_.barriers) return;
  Fiber& me = *running_;
  me.state = Fiber::State::at_barrier;
  TESSERA_CHECK(swapcontext(&me.context, &host_->context) == 0);
}

void SimulatedBlock::wait_for_warp(void* operand, const Act& act) {
  Fiber& me = *running_;
  me.state = Fiber::State::at_warp;
  me.operand = operand;
  me.act = &act;
  TESSERA_CHECK(swapcontext(&me.context, &host_->context) == 0);
}

// Lets those go on that have all arrived.
void SimulatedBlock::release() {
  using State = Fiber::State;
  const auto all = [&](size_t from, size_t to, State state) {
    return std::all_of(fibers_.begin() + static_cast<std::ptrdiff_t>(from),
                       fibers_.begin() + static_cast<std::ptrdiff_t>(to),
                       [&](const auto& fiber) { return fiber->state == state; });
  };
  const auto count = static_cast<size_t>(threads_);
  bool any = false;
  for (size_t from = 0; from < count; from += kGpuWarp) {
    const size_t to = std::min<size_t>(from + kGpuWarp, count);
    if (!all(from, to, State::at_warp)) continue;
    any = true;
    std::vector<void*> operands;
    for (size_t i = from; i < to; ++i) operands.push_back(fibers_[i]->operand);
    (*fibers_[from]->act)(operands);
    for (size_t i = from; i < to; ++i) fibers_[i]->state = State::ready;
  }
  if (all(0, count, State::at_barrier)) {
    any = true;
    for (size_t i = 0; i < count; ++i) fibers_[i]->state = State::ready;
  }
  TESSERA_CHECK(any || all(0, count, State::done))
      << "threads of a simulated block wait for each other in different places";
}

void SimulatedBlock::run(Entry entry, void* const* arguments, int number, int threads) {
  entry_ = entry;
  arguments_ = arguments;
  number_ = number;
  threads_ = threads;
  shared_bytes_ = 0;
  current = this;
  on_the_way_.clear();
  std::fill(shared_.begin(), shared_.end(), kUnused);
  while (fibers_.size() < static_cast<size_t>(threads))
    fibers_.push_back(std::make_unique<Fiber>());
  for (int t = 0; t < threads; ++t) {
    Fiber& fiber = *fibers_[static_cast<size_t>(t)];
    fiber.state = Fiber::State::ready;
    fiber.thread = t;
    fiber.copies.clear();
    fiber.closed.clear();
    TESSERA_CHECK(getcontext(&fiber.context) == 0);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = &host_->context;
    makecontext(
        &fiber.context,
        +[] {
          current->entry_(current->arguments_);
          current->running_->state = Fiber::State::done;
        },
        0);
  }
  const auto is_done = [](const auto& fiber) { return fiber->state == Fiber::State::done; };
  const auto end = fibers_.begin() + threads;
  for (bool forward = true; !std::all_of(fibers_.begin(), end, is_done); forward = !forward) {
    for (int i = 0; i < threads; ++i) {
      Fiber& fiber = *fibers_[static_cast<size_t>(forward ? i : threads - 1 - i)];
      if (fiber.state == Fiber::State::ready) turn(fiber);
    }
    release();
  }
  current = nullptr;
  const std::string problem = std::exchange(problem_, {});
  TESSERA_CHECK(problem.empty()) << "in a simulated block: " << problem;
  const size_t words = (shared_bytes_ + 7) / 8;
  TESSERA_CHECK(std::all_of(shared_.begin() + static_cast<std::ptrdiff_t>(words), shared_.end(),
                            [](uint64_t word) { return word == kUnused; }))
      << "a simulated block writes beyond its " << shared_bytes_ << " bytes of shared memory";
}

namespace {

int32_t thread_number() {
  return current->thread();
}
int32_t block_number() {
  return current->number();
}
void barrier() {
  current->wait_for_block();
}
void* shared_memory(uint64_t bytes) {
  return current->shared(bytes);
}

void load_squares_of_block(const std::vector<LoadedSquares*>& warp) {
  if (std::any_of(warp.begin(), warp.end(), [](const auto* each) { return !each->address; }))
    return;  // that is a problem, and the block's to tell
  current->count_conflicts(warp);
  load_squares(warp);
}

// Waits for the warp with an operand, on which `act` then does what all threads do together.
template <typename Operand, void (*act)(const std::vector<Operand*>&)>
void together(Operand& mine) {
  current->wait_for_warp(&mine, [](const std::vector<void*>& operands) {
    std::vector<Operand*> warp;
    for (void* operand : operands) warp.push_back(static_cast<Operand*>(operand));
    act(warp);
  });
}

int32_t exchange(int32_t word, int32_t mask) {
  ExchangedWord mine{word, mask};
  together<ExchangedWord, exchange_words>(mine);
  return mine.word;
}

void squares(const void* address, int32_t turned, uint32_t* words) {
  LoadedSquares mine{static_cast<const std::byte*>(address), turned != 0, words};
  if (!current->may_read_line(mine.address)) mine.address = nullptr;
  together<LoadedSquares, load_squares_of_block>(mine);
}

void copy_line(void* to, const void* from, int32_t bytes) {
  current->copy(static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes);
}
void close_copies() {
  current->close_copies();
}
void wait_for_copies(int32_t pending) {
  current->wait_for_copies(pending);
}

void multiply(int32_t a, int32_t b, uint32_t* words) {
  MultipliedMatrices mine{static_cast<DType>(a), static_cast<DType>(b), words};
  together<MultipliedMatrices, multiply_matrices>(mine);
}

}  // namespace

std::map<std::string, void*> simulated_functions() {
  return {{"tessera_gpu_thread", reinterpret_cast<void*>(thread_number)},
          {"tessera_gpu_block", reinterpret_cast<void*>(block_number)},
          {"tessera_gpu_barrier", reinterpret_cast<void*>(barrier)},
          {"tessera_gpu_shared", reinterpret_cast<void*>(shared_memory)},
          {"tessera_gpu_exchange", reinterpret_cast<void*>(exchange)},
          {"tessera_gpu_squares", reinterpret_cast<void*>(squares)},
          {"tessera_gpu_copy", reinterpret_cast<void*>(copy_line)},
          {"tessera_gpu_close_copies", reinterpret_cast<void*>(close_copies)},
          {"tessera_gpu_wait_for_copies", reinterpret_cast<void*>(wait_for_copies)},
          {"tessera_gpu_multiply", reinterpret_cast<void*>(multiply)}};
}

}  // namespace tessera
