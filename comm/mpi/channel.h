#pragma once

#include <mpi.h>

#include <memory>
#include <span>
#include <vector>

#include "comm/board.h"
#include "comm/call.h"
#include "comm/mpi/mpi_failure.h"

namespace tessera {

// Throws CommError with MPI's own text when `code` is not success.
void check_mpi(int code, const char* call);
// MPI was finalised: its objects are gone, nothing is to be freed.
bool mpi_is_over();

// Messages between the ranks of one group. All waiting in MPI happens here: nonblocking calls,
// tested with a backoff until they are complete, the deadline passes, or the world failed.
class Channel {
 public:
  // Takes over `comm`.
  Channel(MPI_Comm comm, BoardMember member, std::shared_ptr<MpiFailureRecord> failure);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int rank() const { return member_.rank; }
  int size() const { return static_cast<int>(member_.world_ranks.size()); }
  const BoardMember& member() const { return member_; }
  const std::vector<int>& world_ranks() const { return member_.world_ranks; }
  const std::shared_ptr<MpiFailureRecord>& failure() const { return failure_; }
  MPI_Comm comm() const { return comm_; }

  // Sends and receives all of it; both sides must name the same sizes. After an exception MPI may
  // still read the send buffers, so the process should not live on for long.
  void exchange(const CallInfo& info, std::span<const Outgoing> out, std::span<const Incoming> in,
                int tag = 0);

  // Every rank gives `bytes` bytes, all get all, in rank order.
  void gather_all(const CallInfo& info, const void* mine, size_t bytes, void* all);

  // Compares what the ranks call; throws the same CommError on all of them when they differ. What
  // is sent along reaches a peer with the call, so that a short collective takes one exchange and
  // not two: to each peer at most kAlong bytes, and 16 for each rank. Returns what each rank has
  // sent along to this one, until the next call; nothing for what came from nobody.
  //
  //   const auto blocks = channel.agree(info, {{"abcd", 4, 1}});   // on ranks 0 and 2
  //   blocks[2].size() == 4                                        // on rank 1
  static constexpr size_t kAlong = size_t{16} << 10;
  std::vector<std::span<const std::byte>> agree(const CallInfo& info,
                                                std::span<const Outgoing> along = {});

  // For a fault that every rank of the group finds.
  [[noreturn]] void reject(const CallInfo& info, const std::string& text);

 private:
  struct Pending;
  // Sends every rank the call and what goes along, and returns how much came from each.
  std::vector<int> meet(const CallInfo& info, std::span<const Outgoing> along);
  size_t slot() const;  // bytes that may come from a rank, from a multiple of a cache line on
  void start(Pending& pending, std::span<const Outgoing> out, std::span<const Incoming> in,
             int tag);
  void wait(const CallInfo& info, Pending& pending);
  void test(const CallInfo& info, Pending& pending);
  [[noreturn]] void give_up(const CallInfo& info, Pending& pending, bool timed_out);

  MPI_Comm comm_;
  const BoardMember member_;
  const std::shared_ptr<MpiFailureRecord> failure_;
  std::vector<std::byte> met_;     // kept between calls: what came, a slot for each rank
  std::vector<std::byte> parcel_;  // what goes
};

}  // namespace tessera
