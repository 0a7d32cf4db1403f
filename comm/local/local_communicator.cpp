#include "comm/local/local_communicator.h"

#include <algorithm>
#include <cstring>

#include "comm/blocks.h"
#include "comm/reduce.h"

namespace tessera {
LocalGroup::LocalGroup(std::vector<int> members, CommOptions settings,
                       std::shared_ptr<FailureRecord> record)
    : world_ranks(std::move(members)),
      options(settings),
      failure(std::move(record)),
      published(world_ranks.size()),
      mailbox(options.timeout, *failure),
      storage(BoardMemory::bytes(static_cast<int>(world_ranks.size())) / sizeof(BoardMemory::Slot) +
              1),
      board(BoardMemory::create(storage.data(), static_cast<int>(world_ranks.size()))) {}

LocalCommunicator::LocalCommunicator(int rank, std::shared_ptr<LocalGroup> group)
    : Communicator(rank, group->world_ranks, group->options),
      group_(std::move(group)),
      board_(group_->board, {rank, group_->world_ranks, group_->options.timeout},
             *group_->failure) {}

void LocalCommunicator::fail(const std::string& reason) {
  group_->failure->report(name_ranks({world_ranks()[rank()]}) + " failed: " + reason);
}

std::string LocalCommunicator::failure() {
  return group_->failure->look() ? group_->failure->text() : "";
}

void LocalCommunicator::open(const CallInfo& info, const void* send, void* recv) {
  Published& mine = group_->published[rank()];
  mine.send = static_cast<const std::byte*>(send);
  mine.recv = static_cast<std::byte*>(recv);
  mine.counts = info.counts;
  mine.recv_counts = info.recv_counts;
  board_.agree(info);
}

std::vector<const void*> LocalCommunicator::peer_sources(size_t byte_offset) const {
  std::vector<const void*> sources;
  for (const Published& one : group_->published) sources.push_back(one.send + byte_offset);
  return sources;
}

std::unique_ptr<Communicator> LocalCommunicator::do_split(const CallInfo& info, int color,
                                                          int key) {
  Published& mine = group_->published[rank()];
  mine.color = color;
  mine.key = key;
  board_.agree(info);
  std::vector<SplitEntry> entries;
  for (int r = 0; r < size(); ++r)
    entries.push_back({peer(r).color, peer(r).key, world_ranks()[r]});
  const SplitGroup chosen = split_group(entries, rank());
  if (chosen.rank == 0)
    mine.child = std::make_shared<LocalGroup>(chosen.world_ranks, group_->options, group_->failure);
  board_.finish(info);
  std::shared_ptr<LocalGroup> child = color < 0 ? nullptr : peer(chosen.leader).child;
  board_.finish(info);
  mine.child.reset();
  if (!child) return nullptr;
  return std::make_unique<LocalCommunicator>(chosen.rank, std::move(child));
}

std::unique_ptr<Communicator> LocalCommunicator::make_alone() {
  return std::make_unique<LocalCommunicator>(
      0, std::make_shared<LocalGroup>(world_ranks(), group_->options, group_->failure));
}

void LocalCommunicator::do_barrier(const CallInfo& info) {
  board_.agree(info);
}

void LocalCommunicator::do_broadcast(const CallInfo& info, void* data) {
  open(info, data, data);
  for (int r = 0; r < size(); ++r)
    if (world_ranks()[r] == info.call.root) copy_bytes(data, peer(r).send, info.call.count);
  board_.finish(info);
}

void LocalCommunicator::do_all_gather(const CallInfo& info, const void* send, void* recv) {
  open(info, send, recv);
  const size_t element = size_of(info.call.type);
  auto* to = static_cast<std::byte*>(recv);
  for (int r = 0; r < size(); ++r) {
    copy_bytes(to, peer(r).send, info.counts[r] * element);
    to += info.counts[r] * element;
  }
  board_.finish(info);
}

// Rank r alone reads slice r of every send buffer, so it may then write slice r of every recv
// buffer, even where recv is send.
void LocalCommunicator::do_all_reduce(const CallInfo& info, const void* send, void* recv) {
  open(info, send, recv);
  const size_t element = size_of(info.call.type);
  const Slice mine = slice_of(info.call.count, size(), rank());
  const size_t block = kReduceBlock / element;
  std::vector<const void*> sources = peer_sources(mine.begin * element);
  size_t offset = mine.begin * element;
  for (size_t done = 0; done < mine.size; done += block) {
    const size_t count = std::min(block, mine.size - done);
    std::byte* to = static_cast<std::byte*>(recv) + offset;
    reduce(info.call.type, info.call.op, to, sources, count);
    for (int r = 0; r < size(); ++r)
      if (r != rank()) std::memcpy(peer(r).recv + offset, to, count * element);
    offset += count * element;
    for (const void*& source : sources)
      source = static_cast<const std::byte*>(source) + count * element;
  }
  board_.finish(info);
}

void LocalCommunicator::do_reduce_scatter(const CallInfo& info, const void* send, void* recv) {
  open(info, send, recv);
  const size_t offset = offset_of(info.counts, rank()) * size_of(info.call.type);
  reduce(info.call.type, info.call.op, recv, peer_sources(offset), info.counts[rank()]);
  board_.finish(info);
}

void LocalCommunicator::do_all_to_all(const CallInfo& info, const void* send, void* recv) {
  open(info, send, recv);
  // Every rank checks every pair, so all find the same fault or none.
  const std::string fault = find_unequal_pair(
      world_ranks(), [&](int from, int to) { return peer(from).counts[to]; },
      [&](int from, int to) { return peer(to).recv_counts[from]; });
  if (fault.empty()) {
    const size_t element = size_of(info.call.type);
    auto* to = static_cast<std::byte*>(recv);
    for (int r = 0; r < size(); ++r) {
      const size_t bytes = info.recv_counts[r] * element;
      copy_bytes(to, peer(r).send + offset_of(peer(r).counts, rank()) * element, bytes);
      to += bytes;
    }
  }
  board_.finish(info);
  if (!fault.empty()) board_.reject(info, fault);
}

void LocalCommunicator::do_send_recv(const CallInfo& info, const Outgoing& out, const Incoming& in,
                                     int tag) {
  Mailbox& box = group_->mailbox;
  Mailbox::Ticket ticket;
  if (out.peer >= 0)
    ticket = box.post(
        {.from = rank(), .to = out.peer, .tag = tag, .data = out.data, .bytes = out.bytes});
  if (in.peer >= 0) {
    try {
      box.receive({.from = in.peer, .to = rank(), .tag = tag, .bytes = in.bytes}, in.data, info,
                  world_ranks()[in.peer]);
    } catch (...) {
      if (out.peer >= 0) box.abandon(ticket);
      throw;
    }
  }
  if (out.peer >= 0) box.await_copied(ticket, info, world_ranks()[out.peer]);
}

}  // namespace tessera
