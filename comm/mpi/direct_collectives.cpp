#include "comm/mpi/direct_collectives.h"

#include <algorithm>

#include "comm/blocks.h"
#include "comm/reduce.h"
#include "comm/stream_copy.h"

namespace tessera {

Found DirectCollectives::publish(const CallInfo& info, const Buffers& mine) {
  const std::vector<int>& group = member_.world_ranks;
  Place* places = region_.places(board_.parity(), member_.rank);
  places[0] = windows_->find(info.world_rank, group, mine.send, mine.send_bytes);
  places[1] = windows_->find(info.world_rank, group, mine.recv, mine.recv_bytes);
  return places[0].known() && places[1].known() ? Found::all : Found::none;
}

Found DirectCollectives::publish_none() {
  Place* places = region_.places(board_.parity(), member_.rank);
  places[0] = places[1] = {};
  return Found::none;
}

Found DirectCollectives::find_peers() {
  place_ = 1 - board_.parity();
  peers_.clear();
  bool some = false, all = true;
  for (int r = 0; r < size(); ++r) {
    const Place* theirs = region_.places(place_, r);
    const bool known = theirs[0].known() && theirs[1].known();
    some = some || known;
    all = all && known;
    const int world_rank = member_.world_ranks[static_cast<size_t>(r)];
    if (all)
      peers_.push_back(
          {windows_->reach(world_rank, theirs[0]), windows_->reach(world_rank, theirs[1])});
  }
  return all ? Found::all : some ? Found::some : Found::none;
}

bool DirectCollectives::meet(const CallInfo& info, const Buffers& mine) {
  publish(info, mine);
  board_.agree(info);
  return find_peers() == Found::all;
}

void DirectCollectives::finish(const CallInfo& info) {
  end_of_copies();
  board_.step(info);
}

void DirectCollectives::broadcast(const CallInfo& info, int root) {
  const size_t bytes = info.call.count;
  const Slice mine =
      slice_of(bytes, static_cast<size_t>(size()), static_cast<size_t>(member_.rank));
  const std::byte* from = peers_[static_cast<size_t>(root)].send;
  const bool past = past_caches(bytes, size());
  for (size_t done = 0; done < mine.size; done += kReduceBlock) {
    const size_t at = mine.begin + done, n = std::min(kReduceBlock, mine.size - done);
    for (int r = 0; r < size(); ++r)
      if (r != root) copy_on(peers_[static_cast<size_t>(r)].recv + at, from + at, n, past);
  }
  finish(info);
}

void DirectCollectives::all_gather(const CallInfo& info) {
  const size_t element = size_of(info.call.type);
  const bool past = past_caches(info.call.count * element, size());
  std::byte* to = self().recv;
  // Each begins with the next rank's, so that they do not all read from one.
  for (int i = 0; i < size(); ++i) {
    const int r = (member_.rank + i) % size();
    copy_on(to + offset_of(info.counts, r) * element, peers_[static_cast<size_t>(r)].send,
            info.counts[static_cast<size_t>(r)] * element, past);
  }
  finish(info);
}

// Rank r alone reads slice r of every vector, so it may write there, even where recv is send.
void DirectCollectives::all_reduce(const CallInfo& info) {
  const size_t element = size_of(info.call.type);
  const Slice mine =
      slice_of(info.call.count, static_cast<size_t>(size()), static_cast<size_t>(member_.rank));
  const bool past = past_caches(info.call.count * element, size());
  const size_t block = kReduceBlock / element;
  alignas(64) std::byte reduced[kReduceBlock];
  std::vector<const void*> sources(peers_.size());
  for (size_t done = 0; done < mine.size; done += block) {
    const size_t n = std::min(block, mine.size - done), at = (mine.begin + done) * element;
    for (size_t r = 0; r < peers_.size(); ++r) sources[r] = peers_[r].send + at;
    reduce(info.call.type, info.call.op, reduced, sources, n);
    for (const Peer& peer : peers_) copy_on(peer.recv + at, reduced, n * element, past);
  }
  finish(info);
}

void DirectCollectives::reduce_scatter(const CallInfo& info) {
  const size_t element = size_of(info.call.type);
  const size_t offset = offset_of(info.counts, member_.rank) * element;
  std::vector<const void*> sources;
  for (const Peer& peer : peers_) sources.push_back(peer.send + offset);
  reduce(info.call.type, info.call.op, self().recv, sources,
         info.counts[static_cast<size_t>(member_.rank)]);
  finish(info);
}

void DirectCollectives::all_to_all(const CallInfo& info) {
  const size_t element = size_of(info.call.type);
  const bool past = past_caches(info.call.count * element, size());
  for (int i = 0; i < size(); ++i) {
    const int r = (member_.rank + i) % size();
    const uint64_t* sent = region_.counts(place_, r);
    size_t from = 0;
    for (int before = 0; before < member_.rank; ++before) from += sent[before];
    copy_on(self().recv + offset_of(info.recv_counts, r) * element,
            peers_[static_cast<size_t>(r)].send + from * element,
            info.recv_counts[static_cast<size_t>(r)] * element, past);
  }
  finish(info);
}

}  // namespace tessera
