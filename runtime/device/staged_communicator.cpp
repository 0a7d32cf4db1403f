#include "runtime/device/staged_communicator.h"

#include <numeric>

namespace tessera {
namespace {

size_t bytes_of(const CallInfo& info, std::span<const size_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), size_t{0}) * size_of(info.call.type);
}

}  // namespace

StagedCommunicator::StagedCommunicator(std::unique_ptr<Communicator> group, ComputeDevice& device,
                                       DeviceStream& stream)
    : Communicator(group->rank(), group->world_ranks(), {}),
      group_(std::move(group)),
      device_(device),
      stream_(stream) {}

StagedCommunicator::~StagedCommunicator() {
  try {
    stream_.wait();  // it may still read what has come
  } catch (...) {
    // was thrown where it happened
  }
}

Communicator& StagedCommunicator::told() {
  group_->set_context(context(), alike());
  return *group_;
}

const std::byte* StagedCommunicator::bring(const void* place, size_t bytes) {
  stream_.wait();
  if (sent_.bytes() < bytes) sent_ = device_.allocate_on_host(bytes);
  stream_.to_host(sent_.place(), static_cast<const std::byte*>(place), bytes);
  stream_.wait();
  return sent_.place();
}

std::byte* StagedCommunicator::room(size_t bytes) {
  stream_.wait();
  if (come_.bytes() < bytes) come_ = device_.allocate_on_host(bytes);
  return come_.place();
}

void StagedCommunicator::take(void* place, size_t bytes) {
  stream_.to_device(static_cast<std::byte*>(place), come_.place(), bytes);
}

void StagedCommunicator::copy_own(void* to, const void* from, size_t bytes) {
  if (to != from)
    stream_.copy(static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes);
}

std::unique_ptr<Communicator> StagedCommunicator::do_split(const CallInfo&, int color, int key) {
  std::unique_ptr<Communicator> part = told().split(color, key);
  if (!part) return nullptr;
  return std::make_unique<StagedCommunicator>(std::move(part), device_, stream_);
}

std::unique_ptr<Communicator> StagedCommunicator::make_alone() {
  return std::make_unique<StagedCommunicator>(group_->split(0, 0), device_, stream_);
}

void StagedCommunicator::do_barrier(const CallInfo&) {
  told().barrier();
}

void StagedCommunicator::do_broadcast(const CallInfo& info, void* data) {
  const size_t bytes = info.call.count;
  const bool sends = world_ranks()[static_cast<size_t>(rank())] == info.call.root;
  int root = 0;
  while (world_ranks()[static_cast<size_t>(root)] != info.call.root) ++root;
  std::byte* const place = room(bytes);
  if (sends) stream_.to_host(place, static_cast<std::byte*>(data), bytes);
  stream_.wait();
  told().broadcast(place, bytes, root);
  if (!sends) take(data, bytes);
}

void StagedCommunicator::do_all_gather(const CallInfo& info, const void* send, void* recv) {
  const size_t own = info.counts[static_cast<size_t>(rank())] * size_of(info.call.type);
  const size_t all = bytes_of(info, info.counts);
  const std::byte* from = bring(send, own);
  told().all_gather(from, room(all), info.counts, info.call.type);
  take(recv, all);
}

void StagedCommunicator::do_all_reduce(const CallInfo& info, const void* send, void* recv) {
  const size_t bytes = info.call.count * size_of(info.call.type);
  const std::byte* from = bring(send, bytes);
  told().all_reduce(from, room(bytes), info.call.count, info.call.type, info.call.op);
  take(recv, bytes);
}

void StagedCommunicator::do_reduce_scatter(const CallInfo& info, const void* send, void* recv) {
  const size_t own = info.counts[static_cast<size_t>(rank())] * size_of(info.call.type);
  const std::byte* from = bring(send, bytes_of(info, info.counts));
  told().reduce_scatter(from, room(own), info.counts, info.call.type, info.call.op);
  take(recv, own);
}

void StagedCommunicator::do_all_to_all(const CallInfo& info, const void* send, void* recv) {
  const size_t come = bytes_of(info, info.recv_counts);
  const std::byte* from = bring(send, bytes_of(info, info.counts));
  told().all_to_all(from, info.counts, room(come), info.recv_counts, info.call.type);
  take(recv, come);
}

void StagedCommunicator::do_send_recv(const CallInfo&, const Outgoing& out, const Incoming& in,
                                      int tag) {
  const std::byte* from = out.peer >= 0 ? bring(out.data, out.bytes) : nullptr;
  std::byte* to = in.peer >= 0 ? room(in.bytes) : nullptr;
  if (to == nullptr)
    told().send(from, out.bytes, out.peer, tag);
  else if (from == nullptr)
    told().recv(to, in.bytes, in.peer, tag);
  else
    told().send_recv({from, out.bytes, out.peer}, {to, in.bytes, in.peer}, tag);
  if (to != nullptr) take(in.data, in.bytes);
}

}  // namespace tessera
