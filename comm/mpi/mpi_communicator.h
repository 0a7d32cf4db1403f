#pragma once

#include <memory>

#include "comm/communicator.h"
#include "comm/mpi/channel.h"
#include "comm/mpi/collectives.h"
#include "comm/mpi/windows.h"

namespace tessera {

// A group of MPI ranks. Collectives go to `collectives`; point to point is MPI's.
class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(std::unique_ptr<Channel> channel, std::shared_ptr<Windows> windows,
                  const CommOptions& options);

  void fail(const std::string& reason) override;
  std::string failure() override;

 protected:
  std::unique_ptr<Communicator> do_split(const CallInfo& info, int color, int key) override;
  std::unique_ptr<Communicator> make_alone() override;
  std::unique_ptr<SharedBlock> do_share(const CallInfo& info, size_t bytes) override;
  void do_barrier(const CallInfo& info) override { collectives_->agree(info); }
  void do_broadcast(const CallInfo& info, void* data) override {
    collectives_->broadcast(info, data);
  }
  void do_all_gather(const CallInfo& info, const void* send, void* recv) override {
    collectives_->all_gather(info, send, recv);
  }
  void do_all_reduce(const CallInfo& info, const void* send, void* recv) override {
    collectives_->all_reduce(info, send, recv);
  }
  void do_reduce_scatter(const CallInfo& info, const void* send, void* recv) override {
    collectives_->reduce_scatter(info, send, recv);
  }
  void do_all_to_all(const CallInfo& info, const void* send, void* recv) override {
    collectives_->all_to_all(info, send, recv);
  }
  void do_send_recv(const CallInfo& info, const Outgoing& out, const Incoming& in,
                    int tag) override;

 private:
  const CommOptions options_;
  const std::unique_ptr<Channel> channel_;
  const std::shared_ptr<Windows> windows_;
  std::unique_ptr<Collectives> collectives_;
};

}  // namespace tessera
