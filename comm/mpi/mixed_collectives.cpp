#include "comm/mpi/mixed_collectives.h"

#include <algorithm>
#include <cstring>

#include "comm/blocks.h"
#include "comm/reduce.h"

namespace tessera {
namespace {

constexpr size_t kChainChunk = SharedRegion::kChunk / 2;

// Copies bytes [begin, begin + count) of a stream of segments to or from `place`.
template <typename Segments, typename Copy>
void on_range(const Segments& segments, size_t begin, size_t count, std::byte* place, Copy copy) {
  size_t at = 0;
  for (const auto& segment : segments) {
    const size_t from = std::max(at, begin), to = std::min(at + segment.bytes, begin + count);
    if (from < to) copy(segment.at + (from - at), place + (from - begin), to - from);
    at += segment.bytes;
  }
}

template <typename Segments>
size_t total(const Segments& segments) {
  size_t bytes = 0;
  for (const auto& segment : segments) bytes += segment.bytes;
  return bytes;
}

}  // namespace

// Every rank of this host stages its stream, piece by piece, and the others copy it.
void MixedCollectives::share(const CallInfo& info, const Streams& streams) {
  if (!inside_) return;
  size_t longest = 0;
  for (const auto& stream : streams) longest = std::max(longest, total(stream));
  Board& board = inside_->board;
  SharedRegion& region = *inside_->region;
  constexpr size_t kChunk = SharedRegion::kChunk;
  for (size_t begin = 0; begin < longest; begin += kChunk) {
    on_range(streams[layout_.index], begin, kChunk, region.staged(board.parity(), layout_.index),
             [](std::byte* from, std::byte* to, size_t n) { std::memcpy(to, from, n); });
    board.step(info);
    const size_t place = 1 - board.parity();
    for (int r = 0; r < layout_.ranks_here(); ++r)
      if (r != layout_.index)
        on_range(streams[r], begin, kChunk, region.staged(place, r),
                 [](std::byte* to, std::byte* from, size_t n) { std::memcpy(to, from, n); });
  }
}

void MixedCollectives::broadcast(const CallInfo& info, void* data) {
  channel_.agree(info);
  const auto& world = channel_.world_ranks();
  const int root =
      static_cast<int>(std::find(world.begin(), world.end(), info.call.root) - world.begin());
  const size_t bytes = info.call.count;
  if (bytes == 0) return;
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  int source = root - layout_.first[layout_.host];  // the rank of this host that has the data
  for (int h = 0; h < layout_.hosts(); ++h) {
    if (root >= layout_.first[h] && root < layout_.first[h + 1]) continue;
    if (channel_.rank() == root) out.push_back({data, bytes, taker(h, root)});
    if (channel_.rank() == taker(h, root)) in.push_back({data, bytes, root});
    if (h == layout_.host) source = taker(h, root) - layout_.first[h];
  }
  channel_.exchange(info, out, in);
  Streams streams(static_cast<size_t>(layout_.ranks_here()));
  streams[source].push_back({static_cast<std::byte*>(data), bytes});
  share(info, streams);
}

void MixedCollectives::gather_blocks(const CallInfo& info, const std::vector<size_t>& bytes,
                                     const void* send, std::byte* recv) {
  std::vector<std::byte*> blocks = {recv};
  for (const size_t one : bytes) blocks.push_back(blocks.back() + one);
  const int rank = channel_.rank();
  copy_bytes(blocks[rank], static_cast<const std::byte*>(send), bytes[rank]);
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  Streams streams(static_cast<size_t>(layout_.ranks_here()));
  for (int r = 0; r < channel_.size(); ++r) {
    if (bytes[r] == 0) continue;
    const bool here = r >= layout_.first[layout_.host] && r < layout_.first[layout_.host + 1];
    const int owner = here ? r : taker(layout_.host, r);
    streams[owner - layout_.first[layout_.host]].push_back({blocks[r], bytes[r]});
    if (!here && owner == rank) in.push_back({blocks[r], bytes[r], r});
  }
  for (int h = 0; h < layout_.hosts(); ++h)
    if (h != layout_.host && bytes[rank] > 0)
      out.push_back({blocks[rank], bytes[rank], taker(h, rank)});
  channel_.exchange(info, out, in);
  share(info, streams);
}

void MixedCollectives::all_gather(const CallInfo& info, const void* send, void* recv) {
  channel_.agree(info);
  std::vector<size_t> bytes;
  for (const size_t count : info.counts) bytes.push_back(count * size_of(info.call.type));
  gather_blocks(info, bytes, send, static_cast<std::byte*>(recv));
}

// An all-reduce on its way along the hosts. Chunks and times may lie outside of what there is.
struct MixedCollectives::Chain {
  DType type;
  ReduceOp op;
  size_t element;
  size_t count;
  int lanes;  // ranks of each host that handle a slice
  const std::byte* send;
  std::byte* recv;
  std::vector<std::byte> partial;    // of this host's chunk, to be sent on
  std::vector<std::byte> before[2];  // partial sums of the hosts before, by parity of time

  size_t per_chunk() const { return kChainChunk / element; }
  int64_t chunks() const { return static_cast<int64_t>((count + per_chunk() - 1) / per_chunk()); }
  bool exists(int64_t chunk) const { return chunk >= 0 && chunk < chunks(); }
  size_t begin(int64_t chunk) const { return static_cast<size_t>(chunk) * per_chunk() * element; }
  size_t elements(int64_t chunk) const {
    return std::min(per_chunk(), count - static_cast<size_t>(chunk) * per_chunk());
  }
  // In bytes, from the chunk's begin.
  Slice slice(int64_t chunk, int lane) const {
    const Slice found =
        slice_of(elements(chunk), static_cast<size_t>(lanes), static_cast<size_t>(lane));
    return {found.begin * element, found.size * element};
  }
};

// Shows the others of this host a chunk to be summed, and the own slice of one that is finished.
void MixedCollectives::stage(const Chain& work, int64_t summed, int64_t finished) {
  if (!inside_) return;
  const size_t parity = inside_->board.parity();
  if (work.exists(summed))
    std::memcpy(inside_->region->staged(parity, layout_.index), work.send + work.begin(summed),
                work.elements(summed) * work.element);
  if (!work.exists(finished) || layout_.index >= work.lanes) return;
  const Slice mine = work.slice(finished, layout_.index);
  copy_bytes(inside_->region->result(parity, layout_.index),
             work.recv + work.begin(finished) + mine.begin, mine.size);
}

// Adds the shares of this host to what the hosts before it have.
void MixedCollectives::fold(Chain& work, int64_t chunk, size_t place) {
  const Slice mine = work.slice(chunk, layout_.index);
  std::vector<const void*> sources;
  if (layout_.host > 0) sources.push_back(work.before[chunk & 1].data());
  for (int r = 0; r < layout_.ranks_here(); ++r)
    sources.push_back(
        (r == layout_.index ? work.send + work.begin(chunk) : inside_->region->staged(place, r)) +
        mine.begin);
  const bool last = layout_.host + 1 == layout_.hosts();
  std::byte* into = last ? work.recv + work.begin(chunk) + mine.begin : work.partial.data();
  reduce(work.type, work.op, into, sources, mine.size / work.element);
}

void MixedCollectives::pass_on(const CallInfo& info, Chain& work, int64_t time) {
  const int h = layout_.host, hosts = layout_.hosts(), lane = layout_.index;
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  const auto next = [&] { return layout_.first[h + 1] + lane; };
  const auto previous = [&] { return layout_.first[h - 1] + lane; };
  const auto result = [&](int64_t chunk) {
    return work.recv + work.begin(chunk) + work.slice(chunk, lane).begin;
  };
  const auto bytes = [&](int64_t chunk) {
    return work.exists(chunk) ? work.slice(chunk, lane).size : 0;
  };
  const int64_t came_back = time - (hosts - 1) - (hosts - 2 - h);
  const int64_t goes_back = time - (hosts - 1) - (hosts - 1 - h);
  if (h + 1 < hosts) {
    if (const size_t n = bytes(time - h)) out.push_back({work.partial.data(), n, next()});
    if (const size_t n = bytes(came_back)) in.push_back({result(came_back), n, next()});
  }
  if (h > 0) {
    const int64_t comes = time + 1 - h;
    if (const size_t n = bytes(comes)) in.push_back({work.before[comes & 1].data(), n, previous()});
    if (const size_t n = bytes(goes_back)) out.push_back({result(goes_back), n, previous()});
  }
  channel_.exchange(info, out, in);
}

void MixedCollectives::collect(const Chain& work, int64_t chunk, size_t place) {
  for (int lane = 0; lane < work.lanes && inside_; ++lane) {
    const Slice slice = work.slice(chunk, lane);
    if (lane != layout_.index)
      copy_bytes(work.recv + work.begin(chunk) + slice.begin, inside_->region->result(place, lane),
                 slice.size);
  }
}

void MixedCollectives::all_reduce(const CallInfo& info, const void* send, void* recv) {
  channel_.agree(info);
  const size_t element = size_of(info.call.type), count = info.call.count;
  if (count * element <= kReducedByAll) {
    const size_t each = count * element, ranks = static_cast<size_t>(channel_.size());
    arrived_.resize(each * ranks);
    gather_blocks(info, std::vector<size_t>(ranks, each), send, arrived_.data());
    std::vector<const void*> sources;
    for (size_t r = 0; r < ranks; ++r) sources.push_back(arrived_.data() + r * each);
    return reduce(info.call.type, info.call.op, recv, sources, count);
  }
  Chain work{info.call.type,
             info.call.op,
             element,
             count,
             layout_.smallest(),
             static_cast<const std::byte*>(send),
             static_cast<std::byte*>(recv),
             {},
             {}};
  const bool on_lane = layout_.index < work.lanes;
  if (on_lane)
    for (auto* buffer : {&work.partial, &work.before[0], &work.before[1]})
      buffer->resize(kChainChunk);
  const int h = layout_.host, hosts = layout_.hosts();
  // The time from the sum of a chunk on the first host until its result can be shown on this one.
  const int64_t back = hosts + std::max(0, hosts - 2 - h);
  for (int64_t time = 0; time < work.chunks() + back; ++time) {
    const int64_t summed = time - h, finished = time - back;
    stage(work, summed, finished);
    if (inside_) inside_->board.step(info);
    const size_t place = inside_ ? 1 - inside_->board.parity() : 0;
    if (work.exists(finished)) collect(work, finished, place);
    if (!on_lane) continue;
    if (work.exists(summed)) fold(work, summed, place);
    pass_on(info, work, time);
  }
}

std::unique_ptr<Collectives> make_mixed_collectives(Channel& channel, const HostLayout& layout,
                                                    const CallInfo& info) {
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(channel.comm(), layout.host, layout.index, &part), "MPI_Comm_split");
  const auto& world = channel.world_ranks();
  // Where a rank of another host is missing, the rank that waits for it is to say so, and not those
  // of this host that wait for that one.
  const auto patience = channel.member().timeout + std::chrono::seconds(1);
  BoardMember member{
      layout.index,
      {world.begin() + layout.first[layout.host], world.begin() + layout.first[layout.host + 1]},
      patience};
  auto ranks = std::make_unique<Channel>(part, std::move(member), channel.failure());
  std::unique_ptr<MixedCollectives::Inside> inside;
  char reached = 1;
  if (layout.ranks_here() > 1) {
    auto region = make_shared_region(*ranks, info);
    reached = region != nullptr;
    if (region)
      inside = std::make_unique<MixedCollectives::Inside>(std::move(ranks), std::move(region));
  }
  std::vector<char> all(static_cast<size_t>(channel.size()));
  channel.gather_all(info, &reached, 1, all.data());
  if (std::find(all.begin(), all.end(), 0) != all.end()) return nullptr;
  return std::make_unique<MixedCollectives>(channel, layout, std::move(inside));
}

}  // namespace tessera
