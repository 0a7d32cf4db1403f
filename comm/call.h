#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace tessera {

enum class CallKind : uint8_t {
  barrier,
  broadcast,
  all_gather,
  all_reduce,
  reduce_scatter,
  all_to_all,
  split,
  share,
  send,
  recv,
  send_recv
};

const char* name_of(CallKind kind);  // "all-reduce"

// What the ranks of a group must agree on, in a form that travels between processes.
struct Call {
  CallKind kind = CallKind::barrier;
  DType type = DType::b8;
  ReduceOp op = ReduceOp::sum;
  int32_t root = 0;          // of a broadcast; the peer of a send or recv, in world ranks
  uint64_t count = 0;        // elements in all; bytes of a broadcast, send or recv
  uint64_t counts_hash = 0;  // of the counts that must be the same on every rank
  // While debugging: which call of its group this is, counted from 1, and a hash of what it is for.
  uint64_t number = 0;
  uint64_t purpose = 0;
  // A digest of the calls before it that were not compared.
  uint64_t before = 0;
};

// True when two ranks make calls that belong together. What one all-to-all or split holds may
// differ between ranks.
bool same_call(const Call& a, const Call& b);

using CommClock = std::chrono::steady_clock;

// A call in progress on this rank. Views stay valid during the call only.
struct CallInfo {
  Call call;
  std::span<const size_t> counts;       // all-gather, reduce-scatter; of all-to-all, those sent
  std::span<const size_t> recv_counts;  // all-to-all
  const std::string* context = nullptr;
  int world_rank = 0;
  CommClock::time_point start;

  double seconds() const;  // since the start
};

struct Outgoing {
  const void* data = nullptr;
  size_t bytes = 0;
  int peer = -1;
};

struct Incoming {
  void* data = nullptr;
  size_t bytes = 0;
  int peer = -1;
};

// "all-reduce (sum) of 100 f32 (400 bytes)"
std::string describe(const Call& call);
// "all-reduce (sum) of 100 f32 (400 bytes) during `task 17`"
std::string describe(const CallInfo& info);

// "rank 2", "ranks 0, 2 and 5"
std::string name_ranks(const std::vector<int>& ranks);

// "rank 0: CALL timed out after 5.0 s: rank 2 has not arrived. ..."
std::string timeout_text(const CallInfo& info, const std::vector<int>& missing);

// "rank 0: CALL ended after 0.0 s: REASON"
std::string ended_text(const CallInfo& info, const std::string& reason);

// `texts` holds describe() of every rank: "the ranks disagree on their next call: ranks 0 and 2
// make all-reduce ...; rank 1 makes all-gather .... All ranks of a group must make ..."
std::string mismatch_text(const std::vector<std::string>& texts,
                          const std::vector<int>& world_ranks);

// "rank 0 sends 5 elements to rank 1, which expects 4"
std::string unequal_pair_text(int from, size_t sent, int to, size_t expected);

}  // namespace tessera
