#pragma once

#include <memory>
#include <vector>

#include "comm/board.h"
#include "comm/mpi/shared_region.h"
#include "comm/mpi/windows.h"

namespace tessera {

// What a rank sends and what it receives.
struct Buffers {
  const void* send = nullptr;
  size_t send_bytes = 0;
  void* recv = nullptr;
  size_t recv_bytes = 0;
};

// How many ranks said where their buffers lie.
enum class Found { none, some, all };

// Collectives between processes of one machine whose buffers lie in windows: every rank works on
// the others' buffers where they lie. A call is
//
//   say where the own buffers lie | step | work | step
//
// and the work is one pass: rank r reduces, or brings to all, slice r of a vector, and fetches the
// blocks that are for it from where they lie. Pieces fit the first cache, so what one rank writes
// for several is read once; results that no cache keeps are written past the caches.
class DirectCollectives {
 public:
  DirectCollectives(const SharedRegion& region, Board& board, std::shared_ptr<Windows> windows,
                    const BoardMember& member)
      : region_(region), board_(board), windows_(std::move(windows)), member_(member) {}

  // Compares the calls. False, on all ranks, where some buffer lies in no window: then nothing was
  // done. Otherwise one of those below follows.
  bool meet(const CallInfo& info, const Buffers& mine);
  // The parts of it, for who compares the calls himself between them.
  Found publish(const CallInfo& info, const Buffers& mine);
  Found publish_none();
  Found find_peers();

  void broadcast(const CallInfo& info, int root);
  void all_gather(const CallInfo& info);
  void all_reduce(const CallInfo& info);
  void reduce_scatter(const CallInfo& info);
  void all_to_all(const CallInfo& info);  // the region holds the counts

 private:
  struct Peer {
    const std::byte* send = nullptr;
    std::byte* recv = nullptr;
  };
  void finish(const CallInfo& info);
  int size() const { return static_cast<int>(member_.world_ranks.size()); }
  const Peer& self() const { return peers_[static_cast<size_t>(member_.rank)]; }

  const SharedRegion& region_;
  Board& board_;
  const std::shared_ptr<Windows> windows_;
  const BoardMember member_;
  std::vector<Peer> peers_;  // of the call that is made
  size_t place_ = 0;         // where the region holds what belongs to it
};

}  // namespace tessera
