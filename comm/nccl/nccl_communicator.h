#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/nccl/nccl_library.h"
#include "comm/nccl/nccl_queue.h"

namespace tessera {

// A group of ranks whose calls take places on their GPUs: NCCL moves and combines what lies there.
// Beside it the ranks have a group of the host (threads or MPI), over which they compare each call
// before NCCL makes it, so that calls that differ, ranks that do not come and ranks that failed are
// named as on every transport, and NCCL, which would hang, is never asked for what cannot end.
//
//   NcclCommunicator group(world.split(0, world.rank()), nccl_library(), queue);
//   group.all_reduce(place, place, 1000, DType::f32, ReduceOp::sum);
//
// What differs from other transports: sums are in NCCL's order, the same on all ranks. (max and min
// of floats, of which NCCL loses NaN, go over the host.) While NCCL works, a rank watches for
// errors that NCCL reports, peers that fail, and its timeout; then it aborts NCCL's group, and the
// text of its CommError names the call.
class NcclCommunicator : public Communicator {
 public:
  // Together. `library` must outlive it.
  NcclCommunicator(std::unique_ptr<Communicator> host, const NcclLibrary& library,
                   std::shared_ptr<NcclQueue> queue);
  ~NcclCommunicator() override;

  void fail(const std::string& reason) override { host_->fail(reason); }
  std::string failure() override { return host_->failure(); }

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
  void copy_own(void* to, const void* from, size_t bytes) override;

 private:
  void join(const CallInfo& info);
  void require_pairs(const CallInfo& info);
  // Makes NCCL's calls, as one group, and waits until they are done.
  void run(const CallInfo& info, const std::function<void()>& calls);
  void check(const CallInfo& info, NcclLibrary::Result result);
  void await(const CallInfo& info, const std::function<bool()>& done);
  [[noreturn]] void give_up(const CallInfo& info, const std::string& text);

  const std::unique_ptr<Communicator> host_;
  const NcclLibrary& nccl_;
  const std::shared_ptr<NcclQueue> queue_;
  NcclLibrary::Comm comm_ = nullptr;
  std::vector<uint64_t> sent_, received_;  // messages, by peer
};

}  // namespace tessera
