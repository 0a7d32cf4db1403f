#include "comm/communicator.h"

#include <numeric>

#include "base/hash.h"
#include "comm/blocks.h"
#include "comm/reduce.h"

namespace tessera {
namespace {

constexpr int kMaxTag = 32'000;

size_t total(std::span<const size_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), size_t{0});
}

uint64_t hash_counts(std::span<const size_t> counts) {
  return hash_bytes({reinterpret_cast<const char*>(counts.data()), counts.size_bytes()});
}

bool overlap(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
  const auto* x = static_cast<const std::byte*>(a);
  const auto* y = static_cast<const std::byte*>(b);
  return a_bytes > 0 && b_bytes > 0 && x < y + b_bytes && y < x + a_bytes;
}

}  // namespace

Communicator::Communicator(int rank, std::vector<int> world_ranks, const CommOptions& options)
    : rank_(rank), world_ranks_(std::move(world_ranks)), options_(options) {}

Communicator::Running Communicator::begin(Call call) {
  const bool alone = call.kind == CallKind::send || call.kind == CallKind::recv ||
                     call.kind == CallKind::send_recv;
  if (options_.debug && !alone) {
    call.number = ++calls_;
    call.purpose = alike_.empty() ? 0 : hash_bytes(alike_);
  }
  CallInfo info;
  info.call = call;
  info.context = &context_;
  info.world_rank = world_ranks_[rank_];
  info.start = CommClock::now();
  return {info, activity()};
}

void Communicator::check_peer(int peer, int tag) const {
  TESSERA_CHECK(peer >= 0 && peer < size() && peer != rank())
      << "rank " << rank() << " of " << size() << " cannot exchange with rank " << peer;
  TESSERA_CHECK(tag >= 0 && tag < kMaxTag) << "tag " << tag << "; allowed: 0 to " << kMaxTag - 1;
}

void Communicator::copy_own(void* to, const void* from, size_t bytes) {
  copy_bytes(to, from, bytes);
}

std::unique_ptr<Communicator> Communicator::split(int color, int key) {
  if (size() == 1) return color < 0 ? nullptr : make_alone();
  return do_split(begin({.kind = CallKind::split}).info, color, key);
}

std::unique_ptr<SharedBlock> Communicator::share(size_t bytes) {
  return size() == 1 ? nullptr : do_share(begin({.kind = CallKind::share}).info, bytes);
}

void Communicator::agree(const CallInfo& info) {
  if (size() > 1) do_barrier(info);
}

void Communicator::exchange(const CallInfo& info, const Outgoing& out, const Incoming& in,
                            int tag) {
  do_send_recv(info, out, in, tag);
}

void Communicator::barrier() {
  if (size() > 1) do_barrier(begin({.kind = CallKind::barrier}).info);
}

void Communicator::broadcast(void* data, size_t bytes, int root) {
  TESSERA_CHECK(root >= 0 && root < size()) << "root " << root << " of " << size() << " ranks";
  if (size() == 1) return;
  do_broadcast(
      begin({.kind = CallKind::broadcast, .root = world_ranks_[root], .count = bytes}).info, data);
}

void Communicator::all_gather(const void* send, void* recv, std::span<const size_t> counts,
                              DType type) {
  TESSERA_CHECK(counts.size() == world_ranks_.size()) << counts.size() << " counts";
  if (size() == 1) return copy_own(recv, send, counts[0] * size_of(type));
  Running running = begin({.kind = CallKind::all_gather,
                           .type = type,
                           .count = total(counts),
                           .counts_hash = hash_counts(counts)});
  running.info.counts = counts;
  do_all_gather(running.info, send, recv);
}

void Communicator::all_reduce(const void* send, void* recv, size_t count, DType type, ReduceOp op) {
  check_reduction(op, type);
  const size_t bytes = count * size_of(type);
  if (size() == 1) return copy_own(recv, send, bytes);
  TESSERA_CHECK(send == recv || !overlap(send, bytes, recv, bytes)) << "buffers overlap in part";
  do_all_reduce(begin({.kind = CallKind::all_reduce, .type = type, .op = op, .count = count}).info,
                send, recv);
}

void Communicator::reduce_scatter(const void* send, void* recv, std::span<const size_t> counts,
                                  DType type, ReduceOp op) {
  check_reduction(op, type);
  TESSERA_CHECK(counts.size() == world_ranks_.size()) << counts.size() << " counts";
  if (size() == 1) return copy_own(recv, send, counts[0] * size_of(type));
  const size_t count = total(counts);
  TESSERA_CHECK(!overlap(send, count * size_of(type), recv, counts[rank_] * size_of(type)))
      << "send and recv overlap";
  Running running = begin({.kind = CallKind::reduce_scatter,
                           .type = type,
                           .op = op,
                           .count = count,
                           .counts_hash = hash_counts(counts)});
  running.info.counts = counts;
  do_reduce_scatter(running.info, send, recv);
}

void Communicator::all_to_all(const void* send, std::span<const size_t> send_counts, void* recv,
                              std::span<const size_t> recv_counts, DType type) {
  TESSERA_CHECK(send_counts.size() == world_ranks_.size()) << send_counts.size() << " counts";
  TESSERA_CHECK(recv_counts.size() == world_ranks_.size()) << recv_counts.size() << " counts";
  TESSERA_CHECK(send_counts[rank_] == recv_counts[rank_])
      << "rank " << rank_ << " sends itself " << send_counts[rank_] << " elements and expects "
      << recv_counts[rank_];
  if (size() == 1) return copy_own(recv, send, send_counts[0] * size_of(type));
  Running running =
      begin({.kind = CallKind::all_to_all, .type = type, .count = total(send_counts)});
  running.info.counts = send_counts;
  running.info.recv_counts = recv_counts;
  do_all_to_all(running.info, send, recv);
}

void Communicator::send(const void* data, size_t bytes, int peer, int tag) {
  check_peer(peer, tag);
  do_send_recv(begin({.kind = CallKind::send, .root = world_ranks_[peer], .count = bytes}).info,
               {data, bytes, peer}, {}, tag);
}

void Communicator::recv(void* data, size_t bytes, int peer, int tag) {
  check_peer(peer, tag);
  do_send_recv(begin({.kind = CallKind::recv, .root = world_ranks_[peer], .count = bytes}).info, {},
               {data, bytes, peer}, tag);
}

void Communicator::send_recv(const Outgoing& out, const Incoming& in, int tag) {
  if (out.peer == rank_ && in.peer == rank_) {
    TESSERA_CHECK(out.bytes == in.bytes) << out.bytes << " bytes sent, " << in.bytes << " expected";
    return copy_own(in.data, out.data, out.bytes);
  }
  check_peer(out.peer, tag);
  check_peer(in.peer, tag);
  do_send_recv(
      begin({.kind = CallKind::send_recv, .root = world_ranks_[out.peer], .count = out.bytes}).info,
      out, in, tag);
}

}  // namespace tessera
