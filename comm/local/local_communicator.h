#pragma once

#include <memory>
#include <vector>

#include "comm/board.h"
#include "comm/communicator.h"
#include "comm/local/mailbox.h"

namespace tessera {

struct LocalGroup;

// What one rank shows its peers during a call. They read it between agree() and finish().
struct Published {
  const std::byte* send = nullptr;
  std::byte* recv = nullptr;
  std::span<const size_t> counts;
  std::span<const size_t> recv_counts;
  int color = 0;
  int key = 0;
  std::shared_ptr<LocalGroup> child;
};

// What the threads of one group share.
struct LocalGroup {
  LocalGroup(std::vector<int> members, CommOptions settings, std::shared_ptr<FailureRecord> record);

  const std::vector<int> world_ranks;
  const CommOptions options;
  const std::shared_ptr<FailureRecord> failure;  // one for the whole world
  std::vector<Published> published;
  Mailbox mailbox;
  std::vector<BoardMemory::Slot> storage;  // raw memory for the board, aligned as a slot
  BoardMemory* const board;
};

// Every collective is: publish pointers, agree, work on the peers' memory, finish. Nobody returns
// or throws between agree and finish, so the memory stays valid while peers use it.
class LocalCommunicator : public Communicator {
 public:
  LocalCommunicator(int rank, std::shared_ptr<LocalGroup> group);

  void fail(const std::string& reason) override;
  std::string failure() override;

 protected:
  std::unique_ptr<Communicator> do_split(const CallInfo& info, int color, int key) override;
  std::unique_ptr<Communicator> make_alone() override;
  void do_barrier(const CallInfo& info) override;
  void do_broadcast(const CallInfo& info, void* data) override;
  void do_all_gather(const CallInfo& info, const void* send, void* recv) override;
  void do_all_reduce(const CallInfo& info, const void* send, void* recv) override;
  void do_reduce_scatter(const CallInfo& info, const void* send, void* recv) override;
  void do_all_to_all(const CallInfo& info, const void* send, void* recv) override;
  void do_send_recv(const CallInfo& info, const Outgoing& out, const Incoming& in,
                    int tag) override;

 private:
  void open(const CallInfo& info, const void* send, void* recv);
  const Published& peer(int rank) const { return group_->published[rank]; }
  std::vector<const void*> peer_sources(size_t byte_offset) const;

  const std::shared_ptr<LocalGroup> group_;
  Board board_;
};

}  // namespace tessera
