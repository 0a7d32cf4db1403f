#pragma once

#include <functional>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "comm/mpi/plain_mpi.h"

namespace tessera {

// Memory for the vectors of timed collectives, of the kind that programs have for their tensors
// (Communicator::share). Made together.
class CollectiveRoom {
 public:
  CollectiveRoom(Communicator& group, size_t most_bytes);  // of a vector
  std::span<float> vector(size_t index, size_t elements);  // of three

 private:
  const size_t each_;
  const std::unique_ptr<SharedBlock> block_;
  std::vector<float> own_;
};

// What a collective of f32 sends and gets. `bytes` are those of the whole vector: what a rank sends
// to a reduction, a broadcast or an all-to-all, and what it has after an all-gather; a multiple of
// four bytes for each rank where it goes in blocks.
//
//   CollectiveRoom room(world, 1 << 20);
//   CollectiveVectors vectors(CallKind::all_reduce, 1 << 20, world, room);
//   const std::vector<double> seconds = time_calls(world, [&] { vectors.run(world); }, 0.1);
class CollectiveVectors {
 public:
  CollectiveVectors(CallKind kind, size_t bytes, Communicator& group, CollectiveRoom& room);

  void run(Communicator& group);
  // The same by MPI's own call, into a result of its own.
  void run(PlainMpi& mpi);
  // Whether both results are the same here.
  bool equal() const;

 private:
  CallKind kind_;
  size_t count_, block_;
  std::vector<size_t> counts_;
  std::span<float> send_, ours_, theirs_;
};

// Does it go in blocks, one for each rank?
bool goes_in_blocks(CallKind kind);

// Seconds of one call, for each batch of them in about `seconds`. Ranks begin a batch together and
// its end is that of the last one. Together.
std::vector<double> time_calls(Communicator& group, const std::function<void()>& call,
                               double seconds);

}  // namespace tessera
