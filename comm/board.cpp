#include "comm/board.h"

#include <cstring>
#include <new>
#include <thread>

#include "base/error.h"

namespace tessera {
namespace {

// The halves of BoardMemory::released.
uint32_t step_in(uint64_t word) {
  return static_cast<uint32_t>(word);
}
uint32_t breaker_in(uint64_t word) {
  return static_cast<uint32_t>(word >> 32);
}

void publish(const std::string& text, char (&to)[BoardMemory::kTextBytes]) {
  const size_t size = std::min(text.size(), BoardMemory::kTextBytes - 1);
  std::memcpy(to, text.data(), size);
  to[size] = 0;
}

}  // namespace

BoardMemory* BoardMemory::create(void* memory, int ranks) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free, "processes share these");
  auto* board = new (memory) BoardMemory;
  for (int r = 0; r < ranks; ++r) new (board->slots() + r) Slot;
  return board;
}

Board::Board(BoardMemory* memory, BoardMember member, FailureRecord& failure)
    : memory_(memory),
      member_(std::move(member)),
      ranks_(static_cast<int>(member_.world_ranks.size())),
      spin_(member_.world_ranks.size() <= std::thread::hardware_concurrency()),
      failure_(failure) {}

Board::~Board() {
  slot(member_.rank).left.store(1, std::memory_order_release);
  memory_->event.notify();
}

bool Board::arrive(uint32_t next) {
  slot(member_.rank).arrived.store(next, std::memory_order_release);
  const auto ranks = static_cast<uint32_t>(ranks_);
  if (memory_->arrivals.fetch_add(1, std::memory_order_acq_rel) + 1 < ranks) return false;
  memory_->arrivals.store(0, std::memory_order_relaxed);
  uint64_t expected = step_;
  const bool done = memory_->released.compare_exchange_strong(expected, next);
  memory_->event.notify();
  return done;
}

std::vector<int> Board::missing(uint32_t next, bool left_only) const {
  std::vector<int> ranks;
  for (int r = 0; r < ranks_; ++r) {
    // In this order: a rank that arrived and then left is seen to have arrived.
    const bool counts = !left_only || slot(r).left.load(std::memory_order_acquire);
    if (counts && slot(r).arrived.load(std::memory_order_acquire) != next)
      ranks.push_back(member_.world_ranks[r]);
  }
  return ranks;
}

void Board::throw_broken(const CallInfo& info) const {
  const std::string text = slot(static_cast<int>(breaker_in(released())) - 1).reason;
  failure_.keep(text);
  throw CommError(ended_text(info, text));
}

void Board::give_up(const CallInfo& info, uint32_t next, Wake why) {
  const bool failed = failure_.failed();
  const std::vector<int> absent = missing(next, why == Wake::interrupted && !failed);
  std::string text;
  if (why == Wake::timeout)
    text = timeout_text(info, absent.empty() ? member_.world_ranks : absent);
  else if (failed)
    text = failure_.text();
  else
    text = name_ranks(absent) + " left the group without making this call";
  publish(text, slot(member_.rank).reason);
  uint64_t expected = step_;
  const uint64_t broken = (static_cast<uint64_t>(member_.rank) + 1) << 32 | step_;
  if (!memory_->released.compare_exchange_strong(expected, broken)) return;
  memory_->event.notify();
  failure_.report(text);
  throw CommError(why == Wake::timeout ? text : ended_text(info, text));
}

void Board::wait(const CallInfo& info, uint32_t next, bool interruptible) {
  const auto ready = [&] { return released() != step_; };
  const auto interrupted = [&] {
    return interruptible && (failure_.look() || !missing(next, true).empty());
  };
  auto deadline = interruptible ? CommClock::now() + member_.timeout : CommClock::time_point::max();
  const Wake why = await(memory_->event, deadline, spin_, ready, interrupted);
  if (why != Wake::ready) give_up(info, next, why);
  // Others may have broken a later step already; this one counts all the same.
  if (step_in(released()) != next) throw_broken(info);
}

bool Board::await_peers(const CallInfo& info, const std::function<bool()>& ready,
                        const std::function<bool(int rank)>& awaited) {
  if (ready()) return true;
  const auto elsewhere = [&] {
    for (int r = 0; r < ranks_; ++r)
      if (slot(r).arrived.load(std::memory_order_acquire) == step_ + 1) return true;
    return false;
  };
  const auto left = [&](int r) {
    return awaited(r) && slot(r).left.load(std::memory_order_acquire) != 0;
  };
  const auto peers = [&](const auto& holds) {
    std::vector<int> found;
    for (int r = 0; r < ranks_; ++r)
      if (r != member_.rank && holds(r)) found.push_back(member_.world_ranks[r]);
    return found;
  };
  const auto interrupted = [&] {
    return failure_.look() || breaker_in(released()) != 0 || elsewhere() || !peers(left).empty();
  };
  const Wake why =
      await(memory_->event, CommClock::now() + member_.timeout, spin_, ready, interrupted);
  // In this order: a rank that did its part and then left, or went on, has done it.
  const bool others_compare = elsewhere();
  const std::vector<int> gone = peers(left);
  if (ready()) return true;
  if (breaker_in(released()) != 0) throw_broken(info);
  if (failure_.failed()) throw CommError(ended_text(info, failure_.text()));
  if (others_compare) return false;
  const std::string text = why == Wake::timeout
                               ? timeout_text(info, peers(awaited))
                               : name_ranks(gone) + " left the group without making this call";
  failure_.report(text);
  throw CommError(why == Wake::timeout ? text : ended_text(info, text));
}

void Board::step(const CallInfo& info) {
  if (breaker_in(released()) != 0) throw_broken(info);
  if (failure_.failed()) throw CommError(ended_text(info, failure_.text()));
  const uint32_t next = step_ + 1;
  if (!arrive(next)) wait(info, next, true);
  step_ = next;
}

void Board::finish(const CallInfo& info) {
  const uint32_t next = step_ + 1;
  if (!arrive(next)) wait(info, next, false);
  step_ = next;
}

void Board::agree(const CallInfo& info) {
  const size_t place = parity();
  Call& mine = slot(member_.rank).calls[place];
  mine = info.call;
  mine.before = before_;
  step(info);
  // All compare with rank 0, so all come to the same verdict.
  bool same = true;
  for (int r = 1; r < ranks_; ++r)
    same = same && same_call(slot(0).calls[place], slot(r).calls[place]);
  if (same) return;
  publish(describe(info), slot(member_.rank).text);
  step(info);
  std::vector<std::string> texts;
  for (int r = 0; r < ranks_; ++r) texts.emplace_back(slot(r).text);
  step(info);
  reject(info, mismatch_text(texts, member_.world_ranks));
}

void Board::reject(const CallInfo& info, const std::string& text) {
  if (member_.rank == 0)
    failure_.report(text);
  else
    failure_.keep(text);
  throw CommError(ended_text(info, text));
}

}  // namespace tessera
