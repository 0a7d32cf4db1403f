#pragma once

#include "runtime/device/device.h"

namespace tessera {

// A group whose calls take places in the memory of a device, over one whose calls take the host's:
// what is sent is copied to the host first, and what has come is copied to the device.
//
//   StagedCommunicator group(world.split(0, world.rank()), device, *stream);
//   group.all_reduce(place, place, 1000, DType::f32, ReduceOp::sum);
class StagedCommunicator : public Communicator {
 public:
  // `device` and `stream` must outlive it.
  StagedCommunicator(std::unique_ptr<Communicator> group, ComputeDevice& device,
                     DeviceStream& stream);
  ~StagedCommunicator() override;

  void fail(const std::string& reason) override { group_->fail(reason); }
  std::string failure() override { return group_->failure(); }

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
  // What lies at `place`, in memory of the host.
  const std::byte* bring(const void* place, size_t bytes);
  // Memory of the host for what comes.
  std::byte* room(size_t bytes);
  void take(void* place, size_t bytes);  // what has come to room()
  Communicator& told();                  // the group, after it was told what this is for

  const std::unique_ptr<Communicator> group_;
  ComputeDevice& device_;
  DeviceStream& stream_;
  DeviceMemory sent_, come_;
};

}  // namespace tessera
