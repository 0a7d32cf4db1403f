#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "comm/board.h"
#include "comm/mpi/channel.h"
#include "comm/mpi/shared_file.h"
#include "comm/mpi/windows.h"

namespace tessera {

// Memory that the processes of one group share (shared_file.h): a board, a table of counts and
// places, and per rank two staging areas. Of each thing but the board there are two copies, chosen
// by Board::parity().
class SharedRegion {
 public:
  // Bytes of a vector that pass through at a time: a chunk of every rank fits the second-level
  // cache together with where it comes from and goes to.
  static constexpr size_t kChunk = 512 * 1024;
  static constexpr size_t kResult = kChunk / 2 + 4096;  // the largest slice of a chunk

  SharedRegion(SharedMapping memory, int ranks) : memory_(std::move(memory)), ranks_(ranks) {}

  static size_t bytes(int ranks);

  std::byte* posts() const;  // Posts::bytes() of them
  BoardMemory* board() const { return reinterpret_cast<BoardMemory*>(memory_.data()); }
  uint64_t* counts(size_t parity, int rank) const;   // 2 * ranks of them
  Place* places(size_t parity, int rank) const;      // of what it sends, and of what it receives
  std::byte* staged(size_t parity, int rank) const;  // kChunk bytes
  std::byte* result(size_t parity, int rank) const;  // kResult bytes

 private:
  const SharedMapping memory_;
  const int ranks_;
};

// Collective over the channel. nullptr, on all ranks, when one of them cannot reach the memory:
// it runs on another machine, or in a container of its own.
std::unique_ptr<SharedRegion> make_shared_region(Channel& channel, const CallInfo& info);

}  // namespace tessera
