#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "launcher/job_address.h"
#include "launcher/job_wire.h"

namespace tessera {

struct RankError {
  int rank = 0;
  int code = 0;  // exit code
  std::string text;
};

// The launcher's end of the side channel of a job. Each rank connects to it (job_link.h), on
// whatever host it runs, says twice a second that it lives and what it does, and at its end how it
// failed. The launcher says twice a second that it lives, so a rank notices when it does not.
//
//   rank 1 ── hello, alive "task 3, …", alive "…", error "2\nfit.tess:7: …" ──> launcher
//          <─ alive, alive, leave "15", alive, explained ─────────────────────
//
// A thread of its own does all that. Every function may be called at any time.
class JobServer {
 public:
  JobServer(int ranks, bool several_hosts, const std::string& folder, double silence);
  ~JobServer();
  JobServer(const JobServer&) = delete;
  JobServer& operator=(const JobServer&) = delete;

  const JobAddress& address() const { return address_; }

  std::vector<int> not_started() const;  // ranks that have not said hello
  bool any_running() const;
  // Ranks that have a connection and have said nothing for so long.
  std::vector<int> silent(double seconds) const;
  JobProcess process(int rank) const;
  std::string doing(int rank) const;  // as it said last; "" when it said nothing
  int64_t last_step() const;          // of any rank; 0: none

  // The rank whose connection ended before any other's, without an error told; nothing yet.
  std::optional<int> first_gone() const;
  // Tells all ranks, those that start later, too, that the signal asks them to leave.
  void ask_to_leave(int signal);

  // The error that explains the others: by rank, one that is not only about a peer first.
  std::optional<RankError> cause() const;
  // Cuts all connections, upon which ranks end at once; kills those of this machine.
  void end_ranks();

 private:
  struct Rank {
    std::unique_ptr<JobWire> wire;  // nullptr: not yet, or gone
    JobProcess process;
    std::chrono::steady_clock::time_point heard;
    std::string doing;
    int64_t steps = 0;
    std::optional<RankError> error;
  };

  void serve();
  void accept_one();
  void greet(std::unique_ptr<JobWire>& wire);
  void take(int number, Rank& rank);
  void say(const JobWord& word);
  void explain_when_known();
  std::optional<RankError> cause_locked() const;

  JobAddress address_;
  int socket_ = -1;
  mutable std::mutex mutex_;
  std::vector<Rank> ranks_;
  std::vector<std::unique_ptr<JobWire>> strangers_;  // that have not said hello
  std::optional<int> first_gone_;
  int leave_ = 0;  // the signal that asks for it; 0: none
  bool explained_ = false;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace tessera
