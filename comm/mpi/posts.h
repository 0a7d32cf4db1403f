#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "comm/board.h"

namespace tessera {

// Short broadcasts between processes of one machine. The root posts its data in a ring of its own
// and goes on; it waits only when the ring is full of what some rank has not taken yet. So a rank
// that is late, or has no core at the moment, holds nobody up.
//
//   rank 0: broadcast, broadcast, broadcast, barrier       posts three, then waits
//   rank 1:                 (late)           broadcast, …  takes one after the other
//
// As nobody waits for all ranks here, calls are compared later: the next call that all compare says
// what was broadcast before (Call::before). A rank that waits for a post while others compare their
// calls joins them, so that the disagreement is named.
class Posts {
 public:
  static constexpr size_t kMost = 4096;  // bytes of a post

  // `memory` has bytes(ranks) zero bytes, aligned to 64.
  Posts(std::byte* memory, Board& board, const BoardMember& member);
  static size_t bytes(int ranks);

  // False where this rank has to compare its call with the others' instead, which will fail.
  bool broadcast(const CallInfo& info, int root, void* data);

 private:
  static constexpr uint64_t kRing = 16;

  struct alignas(64) Post {
    std::atomic<uint64_t> number{0};  // of the broadcast, counted from 1
    alignas(64) std::byte data[kMost];
  };
  struct alignas(64) Ring {
    std::atomic<uint64_t> taken{0};  // broadcasts this rank has done
    Post posts[kRing];
  };
  bool await_room(const CallInfo& info, uint64_t number, const std::function<bool(int rank)>& late);
  Ring& ring(int rank) const { return rings_[rank]; }
  int size() const { return static_cast<int>(member_.world_ranks.size()); }

  Ring* const rings_;
  Board& board_;
  const BoardMember member_;
  uint64_t done_ = 0;
  uint64_t digest_ = 0;
  uint64_t all_took_ = 0;  // at least so many
};

}  // namespace tessera
