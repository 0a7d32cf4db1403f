#include "comm/mpi/shared_collectives.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "comm/blocks.h"
#include "comm/reduce.h"

namespace tessera {
namespace {

constexpr size_t kChunk = SharedRegion::kChunk;

// Bytes of a vector from which on a second step costs less than a second copy.
constexpr size_t kDirect = 32 * 1024;

size_t rounds(size_t total, size_t each) {
  return std::max<size_t>(1, (total + each - 1) / each);
}

// How much of `total` round `index` handles.
size_t part(size_t total, size_t each, size_t index) {
  const size_t done = std::min(total, each * index);
  return std::min(each, total - done);
}

}  // namespace

// One all-reduce in progress.
struct SharedCollectives::Reduction {
  DType type;
  ReduceOp op;
  size_t element;
  size_t count;
  const std::byte* send;
  std::byte* recv;

  size_t per_chunk() const { return kChunk / element; }
  size_t chunk_begin(size_t chunk) const { return chunk * per_chunk(); }
  // Slice `rank` of a chunk, in elements from the chunk's begin.
  Slice slice(size_t chunk, int size, int rank) const {
    return slice_of(part(count, per_chunk(), chunk), static_cast<size_t>(size),
                    static_cast<size_t>(rank));
  }
};

SharedCollectives::SharedCollectives(std::unique_ptr<SharedRegion> region,
                                     std::shared_ptr<Windows> windows, const BoardMember& member,
                                     FailureRecord& failure)
    : region_(std::move(region)),
      rank_(member.rank),
      size_(static_cast<int>(member.world_ranks.size())),
      world_ranks_(member.world_ranks),
      board_(region_->board(), member, failure),
      posts_(region_->posts(), board_, member),
      direct_(*region_, board_, std::move(windows), member) {}

size_t SharedCollectives::meet(const CallInfo& info, size_t index) {
  if (index == 0)
    board_.agree(info);
  else
    board_.step(info);
  return 1 - board_.parity();
}

void SharedCollectives::agree(const CallInfo& info) {
  board_.agree(info);
}

void SharedCollectives::broadcast(const CallInfo& info, void* data) {
  const size_t bytes = info.call.count;
  const auto found = std::find(world_ranks_.begin(), world_ranks_.end(), info.call.root);
  const int root = static_cast<int>(found - world_ranks_.begin());
  // While debugging, every call is compared at once.
  if (bytes <= Posts::kMost && info.call.number == 0 && posts_.broadcast(info, root, data)) return;
  if (bytes >= kDirect && direct_.meet(info, {data, bytes, data, bytes}))
    return direct_.broadcast(info, root);
  auto* at = static_cast<std::byte*>(data);
  for (size_t k = 0; k < rounds(bytes, kChunk); ++k) {
    const size_t n = part(bytes, kChunk, k);
    if (rank_ == root) copy_bytes(region_->staged(board_.parity(), root), at, n);
    const size_t place = meet(info, k);
    if (rank_ != root) copy_bytes(at, region_->staged(place, root), n);
    at += n;
  }
}

void SharedCollectives::all_gather(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type), bytes_in_all = info.call.count * element;
  if (bytes_in_all >= kDirect &&
      direct_.meet(info, {send, info.counts[rank_] * element, recv, bytes_in_all}))
    return direct_.all_gather(info);
  const auto* from = static_cast<const std::byte*>(send);
  auto* to = static_cast<std::byte*>(recv);
  const size_t longest = *std::max_element(info.counts.begin(), info.counts.end()) * element;
  for (size_t k = 0; k < rounds(longest, kChunk); ++k) {
    const size_t mine = part(info.counts[rank_] * element, kChunk, k);
    copy_bytes(region_->staged(board_.parity(), rank_), from + k * kChunk, mine);
    const size_t place = meet(info, k);
    std::byte* block = to;
    for (int r = 0; r < size_; ++r) {
      const size_t bytes = info.counts[r] * element;
      const size_t n = part(bytes, kChunk, k);
      if (n > 0)
        copy_bytes(block + k * kChunk, r == rank_ ? from + k * kChunk : region_->staged(place, r),
                   n);
      block += bytes;
    }
  }
}

void SharedCollectives::reduce_small(const CallInfo& info, const void* send, void* recv) {
  const size_t bytes = info.call.count * size_of(info.call.type);
  copy_bytes(region_->staged(board_.parity(), rank_), static_cast<const std::byte*>(send), bytes);
  const size_t place = meet(info, 0);
  std::vector<const void*> sources;
  for (int r = 0; r < size_; ++r) sources.push_back(region_->staged(place, r));
  reduce(info.call.type, info.call.op, recv, sources, info.call.count);
}

void SharedCollectives::stage_slices(const Reduction& work, size_t chunk) {
  const std::byte* from = work.send + work.chunk_begin(chunk) * work.element;
  std::byte* to = region_->staged(board_.parity(), rank_);
  for (int r = 0; r < size_; ++r) {
    const Slice slice = work.slice(chunk, size_, r);
    const size_t at = slice.begin * work.element;
    if (r != rank_) copy_bytes(to + at, from + at, slice.size * work.element);
  }
}

void SharedCollectives::reduce_slice(const Reduction& work, size_t chunk, size_t place) {
  const Slice slice = work.slice(chunk, size_, rank_);
  if (slice.size == 0) return;
  const size_t own = (work.chunk_begin(chunk) + slice.begin) * work.element;
  std::vector<const void*> sources;
  for (int r = 0; r < size_; ++r)
    sources.push_back(r == rank_ ? work.send + own
                                 : region_->staged(place, r) + slice.begin * work.element);
  std::byte* shown = region_->result(board_.parity(), rank_);
  const size_t block = kReduceBlock / work.element;
  for (size_t done = 0; done < slice.size; done += block) {
    const size_t n = std::min(block, slice.size - done);
    std::byte* to = work.recv + own + done * work.element;
    reduce(work.type, work.op, to, sources, n);
    std::memcpy(shown + done * work.element, to, n * work.element);
    for (const void*& source : sources)
      source = static_cast<const std::byte*>(source) + n * work.element;
  }
}

void SharedCollectives::collect_slices(const Reduction& work, size_t chunk, size_t place) {
  std::byte* to = work.recv + work.chunk_begin(chunk) * work.element;
  for (int r = 0; r < size_; ++r) {
    const Slice slice = work.slice(chunk, size_, r);
    if (r != rank_)
      copy_bytes(to + slice.begin * work.element, region_->result(place, r),
                 slice.size * work.element);
  }
}

void SharedCollectives::all_reduce(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type);
  if (info.call.count * element <= kReducedByAll) return reduce_small(info, send, recv);
  const size_t bytes = info.call.count * element;
  if (bytes >= kDirect && direct_.meet(info, {send, bytes, recv, bytes}))
    return direct_.all_reduce(info);
  const Reduction work{info.call.type,
                       info.call.op,
                       element,
                       info.call.count,
                       static_cast<const std::byte*>(send),
                       static_cast<std::byte*>(recv)};
  const size_t chunks = rounds(work.count, work.per_chunk());
  for (size_t k = 0; k <= chunks; ++k) {
    if (k < chunks) stage_slices(work, k);
    const size_t place = meet(info, k);
    if (k < chunks) reduce_slice(work, k, place);
    if (k > 0) collect_slices(work, k - 1, place);
  }
}

void SharedCollectives::reduce_scatter(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type), bytes = info.call.count * element;
  if (bytes >= kDirect && direct_.meet(info, {send, bytes, recv, info.counts[rank_] * element}))
    return direct_.reduce_scatter(info);
  const auto* from = static_cast<const std::byte*>(send);
  auto* to = static_cast<std::byte*>(recv);
  const size_t each = std::max<size_t>(1, kChunk / element / static_cast<size_t>(size_));
  const size_t longest = *std::max_element(info.counts.begin(), info.counts.end());
  for (size_t k = 0; k < rounds(longest, each); ++k) {
    std::byte* stage = region_->staged(board_.parity(), rank_);
    const std::byte* block = from;
    const std::byte* own = nullptr;
    for (int r = 0; r < size_; ++r) {
      const std::byte* piece = block + std::min(info.counts[r], k * each) * element;
      const size_t n = part(info.counts[r], each, k);
      if (r == rank_)
        own = piece;
      else
        copy_bytes(stage + static_cast<size_t>(r) * each * element, piece, n * element);
      block += info.counts[r] * element;
    }
    const size_t place = meet(info, k);
    std::vector<const void*> sources;
    for (int r = 0; r < size_; ++r)
      sources.push_back(r == rank_ ? own
                                   : region_->staged(place, r) +
                                         static_cast<size_t>(rank_) * each * element);
    const size_t n = part(info.counts[rank_], each, k);
    if (n > 0) reduce(info.call.type, info.call.op, to + k * each * element, sources, n);
  }
}

std::string SharedCollectives::check_pairs(size_t place) const {
  return find_unequal_pair(
      world_ranks_, [&](int from, int to) { return region_->counts(place, from)[to]; },
      [&](int from, int to) { return region_->counts(place, to)[size_ + from]; });
}

size_t SharedCollectives::largest_pair(size_t place) const {
  size_t largest = 0;
  for (int r = 0; r < size_; ++r) {
    const uint64_t* sent = region_->counts(place, r);
    largest = std::max<size_t>(largest, *std::max_element(sent, sent + size_));
  }
  return largest;
}

void SharedCollectives::publish_pairs(const CallInfo& info) {
  uint64_t* table = region_->counts(board_.parity(), rank_);
  std::copy(info.counts.begin(), info.counts.end(), table);
  std::copy(info.recv_counts.begin(), info.recv_counts.end(), table + size_);
}

// Round `index` of what goes to the others, at multiples of `each` elements.
void SharedCollectives::stage_pairs(const CallInfo& info, const void* send, size_t each,
                                    size_t index) {
  const size_t element = size_of(info.call.type);
  std::byte* stage = region_->staged(board_.parity(), rank_);
  const auto* block = static_cast<const std::byte*>(send);
  for (int r = 0; r < size_; ++r) {
    if (r != rank_)
      copy_bytes(stage + static_cast<size_t>(r) * each * element,
                 block + std::min(info.counts[r], index * each) * element,
                 part(info.counts[r], each, index) * element);
    block += info.counts[r] * element;
  }
}

// A rank does not know what the others send. So those with much to send say where it lies and stage
// nothing; if not all of them do, the first round is staged by all in a step of its own.
void SharedCollectives::all_to_all(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type), bytes = info.call.count * element;
  const size_t each = std::max<size_t>(1, kChunk / element / static_cast<size_t>(size_));
  const size_t received = std::accumulate(info.recv_counts.begin(), info.recv_counts.end(), 0ul);
  publish_pairs(info);
  const Found mine = bytes < kDirect
                         ? direct_.publish_none()
                         : direct_.publish(info, {send, bytes, recv, received * element});
  if (mine == Found::none) stage_pairs(info, send, each, 0);
  size_t place = meet(info, 0);
  const std::string fault = check_pairs(place);
  if (!fault.empty()) board_.reject(info, fault);
  const Found found = direct_.find_peers();
  if (found == Found::all) return direct_.all_to_all(info);
  const size_t total_rounds = rounds(largest_pair(place), each);
  if (found == Found::some) {
    stage_pairs(info, send, each, 0);
    place = meet(info, 1);
  }
  const auto* own = static_cast<const std::byte*>(send) + offset_of(info.counts, rank_) * element;
  for (size_t k = 0; k < total_rounds; ++k) {
    if (k > 0) {
      stage_pairs(info, send, each, k);
      place = meet(info, k);
    }
    auto* to = static_cast<std::byte*>(recv);
    for (int r = 0; r < size_; ++r) {
      const std::byte* piece =
          r == rank_ ? own + k * each * element
                     : region_->staged(place, r) + static_cast<size_t>(rank_) * each * element;
      const size_t n = part(info.recv_counts[r], each, k);
      if (n > 0) copy_bytes(to + k * each * element, piece, n * element);
      to += info.recv_counts[r] * element;
    }
  }
}

}  // namespace tessera
