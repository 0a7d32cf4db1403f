#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "comm/activity.h"
#include "comm/call.h"
#include "comm/shared_block.h"

namespace tessera {

struct CommOptions {
  // The longest any call waits for its peers before it throws CommError.
  std::chrono::milliseconds timeout{60'000};
  // MPI only: ranks of one machine exchange data through shared memory instead of messages.
  bool shared_memory = true;
  // MPI only, for tests: as if each host had so many ranks. 0: as it is.
  int ranks_per_host = 0;
  // Ranks also compare, before each collective, what it is for (set_context) and how many calls of
  // the group went before; so calls that happen to look alike are not taken for each other.
  bool debug = false;
  // Is told what this rank calls; one per rank. May be empty.
  std::shared_ptr<Activity> activity;
};

// A group of ranks that compute together. Every call blocks until this rank's part is done, and
// every rank of the group makes the same calls in the same order (send and recv aside).
//
// Threads: one thread at a time per communicator, any thread; fail() may be called by any thread
// at any time.
//
// Counts are in elements, tags and ranks are non-negative. Buffers of one call do not overlap,
// except that all_reduce may be in place (send == recv) and that all_gather may find its block
// already at its place in recv. A group of one copies.
//
// Reductions combine element by element in rank order, ((r0 op r1) op r2) op ..., whatever the
// transport and the size: the result has the same bits on every rank, in every run, in local and
// MPI groups alike. max and min return NaN when any rank holds one.
//
// Errors: a call that waits too long, a peer that failed or left, and ranks that make different
// calls end in CommError on every rank of the group. The text names the call, its context, the
// seconds waited and the ranks at fault, always by their rank in the whole world. A group that
// failed once stays failed, and so do all groups split from the same world.
//
//   auto ranks = make_local_group(2);                      // rank 0 and rank 1, one thread each
//   float mine[2] = {1, 2}, sum[2];
//   ranks[r]->all_reduce(mine, sum, 2, DType::f32, ReduceOp::sum);       // sum == {2, 4} on both
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(world_ranks_.size()); }
  // The ranks of this group, numbered as in the world that it was split from.
  const std::vector<int>& world_ranks() const { return world_ranks_; }

  // What the caller is doing, for error texts: "task 17 all-reduce of dw1, mlp.tess:12". What all
  // ranks of the group should say alike is compared while debugging (CommOptions::debug).
  void set_context(std::string what, std::string alike = "") {
    context_ = std::move(what);
    alike_ = std::move(alike);
  }

  // Where this rank says what it is doing; nullptr when nobody asks.
  Activity* activity() const { return options_.activity.get(); }
  const CommOptions& options() const { return options_; }

  // Ranks with equal colors form a group, ordered by key, then by rank here. A negative color
  // joins no group and gets nullptr. Every rank of this group must call it.
  std::unique_ptr<Communicator> split(int color, int key);

  // Memory of at least `bytes` bytes for buffers of collectives, which need no copies between ranks
  // of one machine when every buffer of a call lies in such memory. nullptr, on all ranks of a
  // machine, where the transport or the system has none: any memory will do then. Every rank of
  // this group must call it, each with its own size.
  std::unique_ptr<SharedBlock> share(size_t bytes);

  void barrier();
  void broadcast(void* data, size_t bytes, int root);
  // recv = the blocks of all ranks back to back; rank r contributes counts[r] elements.
  void all_gather(const void* send, void* recv, std::span<const size_t> counts, DType type);
  void all_reduce(const void* send, void* recv, size_t count, DType type, ReduceOp op);
  // send holds one block of counts[r] elements per rank; recv gets this rank's, reduced.
  void reduce_scatter(const void* send, void* recv, std::span<const size_t> counts, DType type,
                      ReduceOp op);
  // Block r of send goes to rank r; block r of recv comes from rank r.
  void all_to_all(const void* send, std::span<const size_t> send_counts, void* recv,
                  std::span<const size_t> recv_counts, DType type);

  // Point to point, matched by peer and tag (below 32,000), in order. send may return early or
  // wait until the peer receives, so two ranks that exchange use send_recv.
  void send(const void* data, size_t bytes, int peer, int tag);
  void recv(void* data, size_t bytes, int peer, int tag);
  void send_recv(const Outgoing& out, const Incoming& in, int tag);

  // For transports that are built on this one, on behalf of their own call: a barrier at which the
  // ranks compare it, and a message beside it.
  void agree(const CallInfo& info);
  void exchange(const CallInfo& info, const Outgoing& out, const Incoming& in, int tag);
  // Why the world of this group has failed, or "". May ask the others for news.
  virtual std::string failure() = 0;

  // Tells the peers that this rank cannot go on: their waits end soon with a CommError that
  // quotes `reason`. Call it when an exception ends this rank's work.
  virtual void fail(const std::string& reason) = 0;

 protected:
  Communicator(int rank, std::vector<int> world_ranks, const CommOptions& options);

  const std::string& context() const { return context_; }
  const std::string& alike() const { return alike_; }

  // What a transport provides; arguments are checked, size() > 1.
  virtual std::unique_ptr<Communicator> do_split(const CallInfo& info, int color, int key) = 0;
  virtual std::unique_ptr<Communicator> make_alone() = 0;  // a group of this rank only
  virtual std::unique_ptr<SharedBlock> do_share(const CallInfo&, size_t) { return nullptr; }
  virtual void do_barrier(const CallInfo& info) = 0;
  virtual void do_broadcast(const CallInfo& info, void* data) = 0;
  virtual void do_all_gather(const CallInfo& info, const void* send, void* recv) = 0;
  virtual void do_all_reduce(const CallInfo& info, const void* send, void* recv) = 0;
  virtual void do_reduce_scatter(const CallInfo& info, const void* send, void* recv) = 0;
  virtual void do_all_to_all(const CallInfo& info, const void* send, void* recv) = 0;
  // An absent part has peer -1.
  virtual void do_send_recv(const CallInfo& info, const Outgoing& out, const Incoming& in,
                            int tag) = 0;
  // What a group of one does, and a rank with itself.
  virtual void copy_own(void* to, const void* from, size_t bytes);

 private:
  // A call in progress, of which `activity` is told when it begins and ends.
  struct Running {
    Running(const CallInfo& call, Activity* told) : info(call), activity(told) {
      if (activity != nullptr) activity->begin(info);
    }
    ~Running() {
      if (activity != nullptr) activity->end();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    CallInfo info;
    Activity* const activity;
  };
  Running begin(Call call);
  void check_peer(int peer, int tag) const;

  const int rank_;
  const std::vector<int> world_ranks_;
  const CommOptions options_;
  std::string context_;
  std::string alike_;
  uint64_t calls_ = 0;
};

}  // namespace tessera
