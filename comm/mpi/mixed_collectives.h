#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "comm/mpi/host_layout.h"
#include "comm/mpi/message_collectives.h"
#include "comm/mpi/shared_region.h"

namespace tessera {

// Collectives of a group whose ranks lie on several machines, several on at least one of them:
// through shared memory inside a machine, through messages between. Each byte crosses a network
// card as rarely as possible:
//
//   all-gather   a block goes once to each other host, to one of its ranks, which shares it there
//   broadcast    the same with the root's data
//   all-reduce   small: all-gather, and every rank reduces. Else in chunks along the chain of
//                hosts, so that ranks are combined in their order: the first host reduces its own
//                and sends that on, each next one adds its own, the last one has the result, and
//                results come back along the chain. Chunks follow one another, so that all links
//                are busy in both directions. Of each chunk, rank i of every host handles slice i.
//
//   hosts 0, 1, 2; at time t, host h adds chunk t - h        ──> partial sums
//                  and passes back the result that came      <── results
//
// Reduce-scatter and all-to-all send messages between all pairs (message_collectives.h).
class MixedCollectives : public Collectives {
 public:
  struct Inside {  // of the ranks on this host; the host has more than one
    Inside(std::unique_ptr<Channel> ranks, std::unique_ptr<SharedRegion> memory)
        : channel(std::move(ranks)),
          region(std::move(memory)),
          board(region->board(), channel->member(), *channel->failure()) {}
    std::unique_ptr<Channel> channel;
    std::unique_ptr<SharedRegion> region;
    Board board;
  };

  MixedCollectives(Channel& channel, HostLayout layout, std::unique_ptr<Inside> inside)
      : channel_(channel),
        messages_(channel),
        layout_(std::move(layout)),
        inside_(std::move(inside)) {}

  void agree(const CallInfo& info) override { channel_.agree(info); }
  void broadcast(const CallInfo& info, void* data) override;
  void all_gather(const CallInfo& info, const void* send, void* recv) override;
  void all_reduce(const CallInfo& info, const void* send, void* recv) override;
  void reduce_scatter(const CallInfo& info, const void* send, void* recv) override {
    messages_.reduce_scatter(info, send, recv);
  }
  void all_to_all(const CallInfo& info, const void* send, void* recv) override {
    messages_.all_to_all(info, send, recv);
  }

 private:
  // Bytes that one rank of this host has and the others want at the same place.
  struct Segment {
    std::byte* at = nullptr;
    size_t bytes = 0;
  };
  // One list for each rank of this host, the same on all of them but for the addresses.
  using Streams = std::vector<std::vector<Segment>>;
  void share(const CallInfo& info, const Streams& streams);
  void gather_blocks(const CallInfo& info, const std::vector<size_t>& bytes, const void* send,
                     std::byte* recv);
  // The rank of host `h` that gets what rank `r`, of another host, has.
  int taker(int h, int r) const { return layout_.first[h] + r % layout_.ranks_of(h); }

  struct Chain;
  void stage(const Chain& work, int64_t summed, int64_t finished);
  void fold(Chain& work, int64_t chunk, size_t place);
  void pass_on(const CallInfo& info, Chain& work, int64_t time);
  void collect(const Chain& work, int64_t chunk, size_t place);

  Channel& channel_;
  MessageCollectives messages_;
  const HostLayout layout_;
  const std::unique_ptr<Inside> inside_;
  std::vector<std::byte> arrived_;  // kept between calls
};

// Together. nullptr, on all ranks, where some that share a machine cannot share memory.
std::unique_ptr<Collectives> make_mixed_collectives(Channel& channel, const HostLayout& layout,
                                                    const CallInfo& info);

}  // namespace tessera
