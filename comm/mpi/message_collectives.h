#pragma once

#include "comm/mpi/channel.h"
#include "comm/mpi/collectives.h"

namespace tessera {

// Collectives between processes of several machines, made of exchanges of messages. First the
// ranks compare their calls (Open MPI itself corrupts memory or hangs when they differ). What is
// short goes along with the call (Channel::agree), and nothing follows; else
//
//   all-gather, all-to-all   every rank sends to every other at once
//   reduce-scatter           all-to-all of the blocks, then a local reduction in rank order
//   all-reduce               in pieces: reduce-scatter of equal slices, then all-gather of them,
//                            beside the reduce-scatter of the next piece
//   broadcast                direct when short, else scatter and all-gather
//
// so each rank moves the least possible bytes, in size() - 1 messages per exchange.
class MessageCollectives : public Collectives {
 public:
  explicit MessageCollectives(Channel& channel) : channel_(channel) {}

  void agree(const CallInfo& info) override { channel_.agree(info); }
  void broadcast(const CallInfo& info, void* data) override;
  void all_gather(const CallInfo& info, const void* send, void* recv) override;
  void all_reduce(const CallInfo& info, const void* send, void* recv) override;
  void reduce_scatter(const CallInfo& info, const void* send, void* recv) override;
  void all_to_all(const CallInfo& info, const void* send, void* recv) override;

 private:
  struct Messages;
  struct Piece;
  struct Reduced;
  // Sends each rank its slice of a vector, and receives the own slice from each into temporary
  // memory, while the slices of the piece before are gathered; then reduces them into `result`.
  void reduce_piece(const CallInfo& info, const Piece& piece, const Reduced& before);
  bool goes_along(const CallInfo& info) const;
  void reduce_along(const CallInfo& info, const Messages& messages, const void* own, void* result,
                    size_t count);
  void add_slices(const CallInfo& info, const Reduced& piece, Messages& messages) const;
  void gather_slices(const CallInfo& info, const Reduced& piece);

  Channel& channel_;
  std::vector<std::byte> arrived_;  // kept between calls
};

}  // namespace tessera
