#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "comm/mpi/channel.h"
#include "comm/mpi/shared_file.h"
#include "comm/shared_block.h"

namespace tessera {

// Where something lies in a window of its rank. Window 0: in none; kNothing: it has no bytes.
struct Place {
  static constexpr uint64_t kNothing = ~uint64_t{0};

  uint64_t window = 0;
  uint64_t offset = 0;

  bool known() const { return window != 0; }
};

// The memory that the ranks of one machine gave to each other (Communicator::share): every rank's
// window is mapped by all of them. A place that its owner found is reached by the others:
//
//   const Place place = windows.find(3, {1, 3}, tensor, bytes);   // on rank 3, published
//   std::byte* theirs = windows.reach(3, place);                  // on rank 1: the same memory
//
// One for a world and all groups split from it. Thread-safe. Where the ranks of a machine cannot do
// so, a warning says once what to change.
class Windows : public std::enable_shared_from_this<Windows> {
 public:
  // Together. nullptr, on all ranks of a machine, where one of them cannot reach another's, or
  // where huge pages are not to be had, or where a rank is alone. `ranks_per_host` as in
  // CommOptions.
  std::unique_ptr<SharedBlock> open(Channel& channel, const CallInfo& info, size_t bytes,
                                    int ranks_per_host);

  // Where data of rank `world_rank` lies, if all ranks of `group` reach it.
  Place find(int world_rank, const std::vector<int>& group, const void* data, size_t bytes) const;
  std::byte* reach(int world_rank, const Place& place) const;  // nullptr where nothing is known

 private:
  class Block;
  struct Window {
    int world_rank = 0;   // whose it is
    uint64_t number = 0;  // among its owner's
    uint64_t block = 0;   // number of the own window that was opened with it
    SharedMapping memory;
    std::vector<int> mapped_by;  // world ranks, sorted
  };
  void close(uint64_t block);
  // What is said on the rank that speaks for the machines with `reason`.
  void warn_once(const std::string& reason);

  mutable std::mutex mutex_;
  uint64_t opened_ = 0;
  bool warned_ = false;
  std::vector<Window> windows_;
};

}  // namespace tessera
