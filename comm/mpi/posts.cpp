#include "comm/mpi/posts.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace tessera {

Posts::Posts(std::byte* memory, Board& board, const BoardMember& member)
    : rings_(reinterpret_cast<Ring*>(memory)), board_(board), member_(member) {}

size_t Posts::bytes(int ranks) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free, "processes share these");
  return static_cast<size_t>(ranks) * sizeof(Ring);
}

bool Posts::broadcast(const CallInfo& info, int root, void* data) {
  const uint64_t number = done_ + 1;
  Post& post = ring(root).posts[number % kRing];
  if (member_.rank == root) {
    const auto late = [&](int r) {
      return r != root && ring(r).taken.load(std::memory_order_acquire) + kRing < number;
    };
    if (!await_room(info, number, late)) return false;
    std::memcpy(post.data, data, info.call.count);
    post.number.store(number, std::memory_order_release);
    board_.notify();
  } else {
    const auto posted = [&] { return post.number.load(std::memory_order_acquire) == number; };
    if (!board_.await_peers(info, posted, [&](int r) { return r == root; })) return false;
    std::memcpy(data, post.data, info.call.count);
  }
  const uint64_t words[] = {digest_, static_cast<uint64_t>(info.call.root), info.call.count};
  digest_ = hash_bytes({reinterpret_cast<const char*>(words), sizeof words});
  board_.set_before(digest_);
  done_ = number;
  ring(member_.rank).taken.store(number, std::memory_order_release);
  // Once in half a ring, so that a root that waits for room gets some at a time.
  if (number % (kRing / 2) == 0) board_.notify();
  return true;
}

bool Posts::await_room(const CallInfo& info, uint64_t number,
                       const std::function<bool(int rank)>& late) {
  if (all_took_ + kRing >= number) return true;
  const auto room = [&] {
    for (int r = 0; r < size(); ++r)
      if (late(r)) return false;
    return true;
  };
  if (!board_.await_peers(info, room, late)) return false;
  all_took_ = done_;
  for (int r = 0; r < size(); ++r)
    if (r != member_.rank)
      all_took_ = std::min(all_took_, ring(r).taken.load(std::memory_order_relaxed));
  return true;
}

}  // namespace tessera
