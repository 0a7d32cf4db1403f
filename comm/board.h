#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/call.h"
#include "comm/failure.h"
#include "comm/wait.h"

namespace tessera {

// The part of a board that all ranks see. Threads keep it on the heap, processes in memory they
// share; it holds no pointers.
struct BoardMemory {
  static constexpr size_t kTextBytes = 1'000;

  struct alignas(64) Slot {
    std::atomic<uint32_t> arrived{0};  // the last step this rank reached
    std::atomic<uint32_t> left{0};     // 1 when the rank gave its communicator up
    Call calls[2];
    char text[kTextBytes] = {};    // what this rank calls, where the ranks disagree
    char reason[kTextBytes] = {};  // why it broke the board; peers may still read its `text`
  };

  // Low half: the last step that all reached. High half: 0, or 1 + the rank that broke the board;
  // then no later step succeeds.
  alignas(64) std::atomic<uint64_t> released{0};
  alignas(64) std::atomic<uint32_t> arrivals{0};
  Event event;

  Slot* slots() { return reinterpret_cast<Slot*>(this + 1); }

  static size_t bytes(int ranks) { return sizeof(BoardMemory) + ranks * sizeof(Slot); }
  // `memory` is aligned to 64 and holds bytes(ranks); one rank creates, before the others look.
  static BoardMemory* create(void* memory, int ranks);
};

// What a rank needs to know about its group to wait in it.
struct BoardMember {
  int rank = 0;
  std::vector<int> world_ranks;
  std::chrono::milliseconds timeout{};
};

// One rank's view of the place where a group meets. The group moves in numbered steps; a step is
// a barrier: what a rank wrote before its step, its peers may read after theirs.
//
// What is published for step s (a Call, and whatever a transport keeps per parity()) may be
// overwritten after step s + 1, because a peer reaches s + 1 only when it is done with s. So two
// copies of each published thing, chosen by parity, and one step per exchange are enough.
//
// A step succeeds on all ranks or on none: the last rank to arrive releases the others, and a rank
// that gives up (timeout, failed peer) breaks the board, both by one compare-and-swap of the same
// word. A rank that left a step by an exception is therefore never read from.
class Board {
 public:
  Board(BoardMemory* memory, BoardMember member, FailureRecord& failure);
  ~Board();  // tells the others that this rank left
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  // 0 or 1: where to publish before the next step. After the step the same place is
  // 1 - parity().
  size_t parity() const { return (step_ + 1) & 1; }

  // Throws CommError on timeout, failure of a peer, or a broken board.
  void step(const CallInfo& info);

  // A step that also compares what the ranks call; throws the same CommError on all of them when
  // they differ.
  void agree(const CallInfo& info);

  // A step that nothing can interrupt, for peers that are known to be on their way to it.
  void finish(const CallInfo& info);

  // For what ranks tell each other besides: waits until ready(), which a rank makes true that then
  // calls notify(). `awaited` says for which ranks; those are missing when they do not come. False
  // where a peer is on its way to the next step, and so does not do what this rank does.
  bool await_peers(const CallInfo& info, const std::function<bool()>& ready,
                   const std::function<bool(int rank)>& awaited);
  void notify() { memory_->event.notify(); }
  // A digest of the calls so far that were not compared; agree() compares it with the next one.
  void set_before(uint64_t digest) { before_ = digest; }

  // Throws on all ranks; every rank must have found the fault, with the same text.
  [[noreturn]] void reject(const CallInfo& info, const std::string& text);

 private:
  BoardMemory::Slot& slot(int rank) const { return memory_->slots()[rank]; }
  bool arrive(uint32_t next);
  // World ranks that did not reach step `next`; only those that left, if so asked.
  std::vector<int> missing(uint32_t next, bool left_only) const;
  uint64_t released() const { return memory_->released.load(std::memory_order_acquire); }
  void wait(const CallInfo& info, uint32_t next, bool interruptible);
  // Breaks the board and throws, unless the step succeeded meanwhile.
  void give_up(const CallInfo& info, uint32_t next, Wake why);
  [[noreturn]] void throw_broken(const CallInfo& info) const;

  BoardMemory* const memory_;
  const BoardMember member_;
  const int ranks_;
  const bool spin_;
  FailureRecord& failure_;
  uint32_t step_ = 0;
  uint64_t before_ = 0;
};

}  // namespace tessera
