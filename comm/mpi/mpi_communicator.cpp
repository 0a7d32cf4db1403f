#include "comm/mpi/mpi_communicator.h"

#include <numeric>

#include "comm/blocks.h"
#include "comm/mpi/host_layout.h"
#include "comm/mpi/message_collectives.h"
#include "comm/mpi/mixed_collectives.h"
#include "comm/mpi/mpi_world.h"
#include "comm/mpi/shared_collectives.h"

namespace tessera {
namespace {

// With shared memory where ranks share a machine; nullptr where none do. Together.
std::unique_ptr<Collectives> make_collectives(Channel& channel,
                                              const std::shared_ptr<Windows>& windows,
                                              const CallInfo& info, const CommOptions& options) {
  const HostLayout layout = find_host_layout(channel, info, options.ranks_per_host);
  if (layout.hosts() == 1) {
    auto region = make_shared_region(channel, info);
    if (!region) return nullptr;
    return std::make_unique<SharedCollectives>(std::move(region), windows, channel.member(),
                                               *channel.failure());
  }
  if (!layout.in_order || layout.largest() == 1) return nullptr;
  return make_mixed_collectives(channel, layout, info);
}

}  // namespace

MpiCommunicator::MpiCommunicator(std::unique_ptr<Channel> channel, std::shared_ptr<Windows> windows,
                                 const CommOptions& options)
    : Communicator(channel->rank(), channel->world_ranks(), options),
      options_(options),
      channel_(std::move(channel)),
      windows_(std::move(windows)) {
  if (size() == 1) return;
  CallInfo info;
  info.call.kind = CallKind::split;
  info.world_rank = world_ranks()[rank()];
  info.start = CommClock::now();
  if (options_.shared_memory) collectives_ = make_collectives(*channel_, windows_, info, options_);
  if (!collectives_) collectives_ = std::make_unique<MessageCollectives>(*channel_);
}

void MpiCommunicator::fail(const std::string& reason) {
  channel_->failure()->report(name_ranks({world_ranks()[rank()]}) + " failed: " + reason);
}

std::string MpiCommunicator::failure() {
  return channel_->failure()->look() ? channel_->failure()->text() : "";
}

// MPI_Comm_split waits without a limit, so the ranks make sure first that all of them are here.
std::unique_ptr<Communicator> MpiCommunicator::do_split(const CallInfo& info, int color, int key) {
  collectives_->agree(info);
  const SplitEntry mine{color, key, world_ranks()[rank()]};
  std::vector<SplitEntry> entries(world_ranks().size());
  channel_->gather_all(info, &mine, sizeof(mine), entries.data());
  SplitGroup group = split_group(entries, rank());
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(channel_->comm(), color < 0 ? MPI_UNDEFINED : color, key, &part),
            "MPI_Comm_split");
  if (part == MPI_COMM_NULL) return nullptr;
  auto channel = std::make_unique<Channel>(
      part, BoardMember{group.rank, std::move(group.world_ranks), options_.timeout},
      channel_->failure());
  return std::make_unique<MpiCommunicator>(std::move(channel), windows_, options_);
}

std::unique_ptr<Communicator> MpiCommunicator::make_alone() {
  MPI_Comm self = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_SELF, &self), "MPI_Comm_dup");
  auto channel = std::make_unique<Channel>(self, channel_->member(), channel_->failure());
  return std::make_unique<MpiCommunicator>(std::move(channel), windows_, options_);
}

std::unique_ptr<SharedBlock> MpiCommunicator::do_share(const CallInfo& info, size_t bytes) {
  if (!options_.shared_memory) return nullptr;
  collectives_->agree(info);
  return windows_->open(*channel_, info, bytes, options_.ranks_per_host);
}

void MpiCommunicator::do_send_recv(const CallInfo& info, const Outgoing& out, const Incoming& in,
                                   int tag) {
  // Tag 0 is for collectives.
  channel_->exchange(info, {&out, out.peer >= 0 ? size_t{1} : 0},
                     {&in, in.peer >= 0 ? size_t{1} : 0}, tag + 1);
}

std::unique_ptr<Communicator> make_mpi_world(std::shared_ptr<MpiRuntime> runtime,
                                             const CommOptions& options) {
  std::shared_ptr<MpiFailureRecord> failure;
  MPI_Comm world = MPI_COMM_NULL;
  runtime->within_limit("the group of all ranks was not made", [&] {
    failure = std::make_shared<MpiFailureRecord>(runtime);
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world), "MPI_Comm_dup");
  });
  BoardMember member;
  int size = 0;
  check_mpi(MPI_Comm_rank(world, &member.rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(world, &size), "MPI_Comm_size");
  member.world_ranks.resize(static_cast<size_t>(size));
  std::iota(member.world_ranks.begin(), member.world_ranks.end(), 0);
  member.timeout = options.timeout;
  auto channel = std::make_unique<Channel>(world, std::move(member), std::move(failure));
  return std::make_unique<MpiCommunicator>(std::move(channel), std::make_shared<Windows>(),
                                           options);
}

std::unique_ptr<Communicator> make_mpi_world(const CommOptions& options) {
  return make_mpi_world(std::make_shared<MpiRuntime>(), options);
}

}  // namespace tessera
