#include "comm/nccl/nccl_communicator.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "comm/blocks.h"
#include "comm/wait.h"

namespace tessera {
namespace {

NcclLibrary::Type type_of(DType type) {
  switch (type) {
    case DType::f32:
      return NcclLibrary::f32;
    case DType::f64:
      return NcclLibrary::f64;
    case DType::i32:
      return NcclLibrary::i32;
    case DType::i64:
      return NcclLibrary::i64;
    case DType::bf16:
      return NcclLibrary::bf16;
    case DType::f16:
      return NcclLibrary::f16;
    case DType::i8:
      return NcclLibrary::i8;
    case DType::b8:
    case DType::u8:
      return NcclLibrary::u8;
  }
  return NcclLibrary::u8;
}

// Booleans are bytes that hold 0 or 1.
NcclLibrary::Op op_of(ReduceOp op, DType type) {
  switch (op) {
    case ReduceOp::sum:
      return NcclLibrary::sum;
    case ReduceOp::prod:
      return type == DType::b8 ? NcclLibrary::min : NcclLibrary::prod;
    case ReduceOp::max:
    case ReduceOp::any:
      return NcclLibrary::max;
    case ReduceOp::min:
    case ReduceOp::all:
      return NcclLibrary::min;
  }
  return NcclLibrary::sum;
}

// NCCL's max and min of a number and NaN is the number.
bool loses_nan(const Call& call) {
  return is_float(call.type) && (call.op == ReduceOp::max || call.op == ReduceOp::min);
}

bool equal(std::span<const size_t> counts) {
  return std::all_of(counts.begin(), counts.end(),
                     [&](size_t count) { return count == counts[0]; });
}

const std::byte* at(const void* start, size_t bytes) {
  return static_cast<const std::byte*>(start) + bytes;
}
std::byte* at(void* start, size_t bytes) {
  return static_cast<std::byte*>(start) + bytes;
}

}  // namespace

NcclCommunicator::NcclCommunicator(std::unique_ptr<Communicator> host, const NcclLibrary& library,
                                   std::shared_ptr<NcclQueue> queue)
    : Communicator(host->rank(), host->world_ranks(), host->options()),
      host_(std::move(host)),
      nccl_(library),
      queue_(std::move(queue)),
      sent_(world_ranks().size()),
      received_(world_ranks().size()) {
  if (size() == 1) return;
  CallInfo info;
  info.call.kind = CallKind::split;
  info.world_rank = world_ranks()[static_cast<size_t>(rank())];
  info.start = CommClock::now();
  join(info);
}

NcclCommunicator::~NcclCommunicator() {
  if (comm_ != nullptr) nccl_.destroy(comm_);
}

// Rank 0 makes the name under which they find each other.
void NcclCommunicator::join(const CallInfo& info) {
  NcclLibrary::UniqueId id{};
  queue_->stream();
  if (rank() == 0) check(info, nccl_.unique_id(&id));
  host_->set_context("making a group of NCCL's");
  host_->broadcast(&id, sizeof id, 0);
  NcclLibrary::Config config;
  const NcclLibrary::Result result = nccl_.init(&comm_, size(), id, rank(), &config);
  if (result != NcclLibrary::kInProgress) check(info, result);
  await(info, [] { return true; });
}

// Also aborts what NCCL does, so that no kernel of it stays on the GPU.
void NcclCommunicator::give_up(const CallInfo& info, const std::string& text) {
  if (comm_ != nullptr) nccl_.abort(std::exchange(comm_, nullptr));
  throw CommError(ended_text(info, text));
}

void NcclCommunicator::check(const CallInfo& info, NcclLibrary::Result result) {
  if (result == NcclLibrary::kSuccess) return;
  const std::string text = std::string("NCCL says: ") + nccl_.error_text(result);
  host_->fail(text);
  give_up(info, text);
}

// Until NCCL is ready and `done`.
void NcclCommunicator::await(const CallInfo& info, const std::function<bool()>& done) {
  const auto deadline = CommClock::now() + options().timeout;
  Backoff backoff(true);
  for (;;) {
    NcclLibrary::Result state = NcclLibrary::kSuccess;
    check(info, nccl_.async_error(comm_, &state));
    if (state != NcclLibrary::kInProgress) check(info, state);
    if (state == NcclLibrary::kSuccess && done()) return;
    if (backoff.pause()) continue;
    if (const std::string failed = host_->failure(); !failed.empty()) give_up(info, failed);
    if (CommClock::now() > deadline) {
      const std::string text = "NCCL has not ended it in time";
      host_->fail(describe(info) + ": " + text);
      give_up(info, text + "; if only slow, raise the timeout");
    }
    std::this_thread::sleep_for(backoff.sleep_time());
  }
}

void NcclCommunicator::run(const CallInfo& info, const std::function<void()>& calls) {
  queue_->stream();
  if (comm_ == nullptr) throw CommError(ended_text(info, "NCCL's group was given up before"));
  check(info, nccl_.group_start());
  calls();
  const NcclLibrary::Result result = nccl_.group_end();
  if (result != NcclLibrary::kInProgress) check(info, result);
  await(info, [this] { return queue_->done(); });
}

std::unique_ptr<Communicator> NcclCommunicator::do_split(const CallInfo& info, int color, int key) {
  host_->set_context(*info.context);
  std::unique_ptr<Communicator> part = host_->split(color, key);
  if (!part) return nullptr;
  return std::make_unique<NcclCommunicator>(std::move(part), nccl_, queue_);
}

std::unique_ptr<Communicator> NcclCommunicator::make_alone() {
  return std::make_unique<NcclCommunicator>(host_->split(0, 0), nccl_, queue_);
}

void NcclCommunicator::copy_own(void* to, const void* from, size_t bytes) {
  if (bytes > 0 && to != from) queue_->copy(to, from, bytes);
}

void NcclCommunicator::do_barrier(const CallInfo& info) {
  host_->agree(info);
}

void NcclCommunicator::do_broadcast(const CallInfo& info, void* data) {
  host_->agree(info);
  if (info.call.count == 0) return;
  int root = 0;
  while (world_ranks()[static_cast<size_t>(root)] != info.call.root) ++root;
  run(info, [&] {
    check(info, nccl_.broadcast(data, data, info.call.count, NcclLibrary::u8, root, comm_,
                                queue_->stream()));
  });
}

void NcclCommunicator::do_all_gather(const CallInfo& info, const void* send, void* recv) {
  host_->agree(info);
  if (info.call.count == 0) return;
  const int type = type_of(info.call.type);
  const size_t element = size_of(info.call.type);
  run(info, [&] {
    if (equal(info.counts))
      return check(info,
                   nccl_.all_gather(send, recv, info.counts[0], type, comm_, queue_->stream()));
    for (int r = 0; r < size(); ++r) {
      std::byte* to = at(recv, offset_of(info.counts, r) * element);
      const size_t count = info.counts[static_cast<size_t>(r)];
      if (count > 0)
        check(info, nccl_.broadcast(r == rank() ? send : to, to, count, type, r, comm_,
                                    queue_->stream()));
    }
  });
}

void NcclCommunicator::do_all_reduce(const CallInfo& info, const void* send, void* recv) {
  host_->agree(info);
  const Call& call = info.call;
  if (call.count == 0) return;
  if (loses_nan(call)) {
    std::vector<std::byte> values(call.count * size_of(call.type));
    queue_->to_host(values.data(), send, values.size());
    host_->all_reduce(values.data(), values.data(), call.count, call.type, call.op);
    return queue_->to_device(recv, values.data(), values.size());
  }
  run(info, [&] {
    check(info, nccl_.all_reduce(send, recv, call.count, type_of(call.type),
                                 op_of(call.op, call.type), comm_, queue_->stream()));
  });
}

void NcclCommunicator::do_reduce_scatter(const CallInfo& info, const void* send, void* recv) {
  host_->agree(info);
  const Call& call = info.call;
  if (call.count == 0) return;
  const size_t element = size_of(call.type);
  if (loses_nan(call)) {
    std::vector<std::byte> values(call.count * element);
    std::vector<std::byte> own(info.counts[static_cast<size_t>(rank())] * element);
    queue_->to_host(values.data(), send, values.size());
    host_->reduce_scatter(values.data(), own.data(), info.counts, call.type, call.op);
    return queue_->to_device(recv, own.data(), own.size());
  }
  const int type = type_of(call.type);
  const int op = op_of(call.op, call.type);
  run(info, [&] {
    if (equal(info.counts))
      return check(info, nccl_.reduce_scatter(send, recv, info.counts[0], type, op, comm_,
                                              queue_->stream()));
    for (int r = 0; r < size(); ++r) {
      const size_t count = info.counts[static_cast<size_t>(r)];
      if (count > 0)
        check(info, nccl_.reduce(at(send, offset_of(info.counts, r) * element), recv, count, type,
                                 op, r, comm_, queue_->stream()));
    }
  });
}

// Every rank sees every pair, so all find the same fault or none.
void NcclCommunicator::require_pairs(const CallInfo& info) {
  const auto ranks = static_cast<size_t>(size());
  std::vector<int64_t> mine;
  for (const auto& counts : {info.counts, info.recv_counts})
    for (const size_t count : counts) mine.push_back(static_cast<int64_t>(count));
  std::vector<int64_t> all(mine.size() * ranks);
  host_->all_gather(mine.data(), all.data(), std::vector<size_t>(ranks, mine.size()), DType::i64);
  const auto count_of = [&](int rank_of_it, size_t place) {
    return static_cast<size_t>(all[static_cast<size_t>(rank_of_it) * mine.size() + place]);
  };
  const std::string fault = find_unequal_pair(
      world_ranks(), [&](int from, int to) { return count_of(from, static_cast<size_t>(to)); },
      [&](int from, int to) { return count_of(to, ranks + static_cast<size_t>(from)); });
  if (!fault.empty()) give_up(info, fault);
}

void NcclCommunicator::do_all_to_all(const CallInfo& info, const void* send, void* recv) {
  host_->agree(info);
  require_pairs(info);
  const int type = type_of(info.call.type);
  const size_t element = size_of(info.call.type);
  const auto me = static_cast<size_t>(rank());
  copy_own(at(recv, offset_of(info.recv_counts, rank()) * element),
           at(send, offset_of(info.counts, rank()) * element), info.counts[me] * element);
  run(info, [&] {
    for (int r = 0; r < size(); ++r) {
      const auto peer = static_cast<size_t>(r);
      if (peer == me) continue;
      if (info.counts[peer] > 0)
        check(info, nccl_.send(at(send, offset_of(info.counts, r) * element), info.counts[peer],
                               type, r, comm_, queue_->stream()));
      if (info.recv_counts[peer] > 0)
        check(info, nccl_.recv(at(recv, offset_of(info.recv_counts, r) * element),
                               info.recv_counts[peer], type, r, comm_, queue_->stream()));
    }
  });
}

// Sizes go ahead over the host, where messages have tags and wait no longer than they may. NCCL's
// messages have none, so those of a pair must be received as they were sent.
void NcclCommunicator::do_send_recv(const CallInfo& info, const Outgoing& out, const Incoming& in,
                                    int tag) {
  struct {
    uint64_t bytes = 0, number = 0;
  } sent, come;
  sent.bytes = out.bytes;
  if (out.peer >= 0) sent.number = sent_[static_cast<size_t>(out.peer)]++;
  host_->exchange(info, {&sent, out.peer >= 0 ? sizeof sent : 0, out.peer},
                  {&come, in.peer >= 0 ? sizeof come : 0, in.peer}, tag);
  if (in.peer >= 0) {
    TESSERA_CHECK(come.number == received_[static_cast<size_t>(in.peer)]++)
        << "messages over NCCL are received in the order in which they are sent";
  }
  if (in.peer >= 0 && come.bytes != in.bytes) {
    const std::string text = "rank " + std::to_string(world_ranks()[static_cast<size_t>(in.peer)]) +
                             " sent " + std::to_string(come.bytes) + " bytes to rank " +
                             std::to_string(info.world_rank) + ", which expects " +
                             std::to_string(in.bytes);
    host_->fail(text);
    give_up(info, text);
  }
  run(info, [&] {
    if (out.peer >= 0 && out.bytes > 0)
      check(info,
            nccl_.send(out.data, out.bytes, NcclLibrary::u8, out.peer, comm_, queue_->stream()));
    if (in.peer >= 0 && in.bytes > 0)
      check(info, nccl_.recv(in.data, in.bytes, NcclLibrary::u8, in.peer, comm_, queue_->stream()));
  });
}

}  // namespace tessera
