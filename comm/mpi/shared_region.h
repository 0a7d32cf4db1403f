#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "comm/board.h"
#include "comm/mpi/channel.h"

namespace tessera {

// Memory that the processes of one group share: a board, a table of counts, and per rank two
// staging areas. Of each thing but the board there are two copies, chosen by Board::parity().
//
// The memory is an anonymous file (memfd) that the others open through /proc, so it has no name,
// and nothing is left behind however the processes end.
class SharedRegion {
 public:
  // Bytes of a vector that pass through at a time: a chunk of every rank fits the second-level
  // cache together with where it comes from and goes to.
  static constexpr size_t kChunk = 512 * 1024;
  static constexpr size_t kResult = kChunk / 2 + 4096;  // the largest slice of a chunk

  SharedRegion(int fd, int ranks);
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;

  static size_t bytes(int ranks);

  std::byte* base() const { return base_; }
  BoardMemory* board() const { return reinterpret_cast<BoardMemory*>(base_ + 64); }
  uint64_t* counts(size_t parity, int rank) const;   // 2 * ranks of them
  std::byte* staged(size_t parity, int rank) const;  // kChunk bytes
  std::byte* result(size_t parity, int rank) const;  // kResult bytes

 private:
  const int ranks_;
  std::byte* base_;
};

// Equal on processes of one machine. Containers with a host name of their own are machines.
uint64_t machine_id();

// Collective over the channel. nullptr, on all ranks, when one of them cannot reach the memory:
// it runs on another machine, or in a container of its own.
std::unique_ptr<SharedRegion> make_shared_region(Channel& channel, const CallInfo& info);

}  // namespace tessera
