#include "launcher/restarts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/units.h"
#include "launcher/exit_code.h"
#include "launcher/standard_streams.h"
#include "storage/checkpoint.h"

namespace tessera {
namespace {

// The step of the newest checkpoint; nothing where none is seen from here.
std::optional<int64_t> newest_step(const std::string& dir) {
  try {
    const std::vector<CheckpointPlace> places = list_checkpoints(dir);
    if (!places.empty()) return places.front().step;
  } catch (const Error&) {
  }
  return std::nullopt;
}

std::string lost_text(const std::string& dir, int64_t last_step) {
  const std::optional<int64_t> step = newest_step(dir);
  if (!step) return "from the beginning, as there is no checkpoint yet in " + dir;
  const int64_t lost = std::max<int64_t>(0, last_step - *step);
  return fmt::format("from step {} in {}; {} step{} after it {} lost", *step, dir,
                     lost == 0 ? "no" : std::to_string(lost), lost == 1 ? "" : "s",
                     lost == 1 ? "is" : "are");
}

std::vector<Host> without(const std::vector<Host>& hosts, const std::vector<std::string>& lost) {
  std::vector<Host> left;
  for (const Host& host : hosts)
    if (std::find(lost.begin(), lost.end(), host.name) == lost.end()) left.push_back(host);
  return left;
}

}  // namespace

int supervise_with_restarts(SupervisedJob job, const RestartPolicy& policy) {
  int64_t last_step = 0;
  for (int64_t restart = 1;; ++restart) {
    const JobEnd end = supervise(job);
    if (end.code != kPeerFailed || end.asked || policy.limit == 0) return end.code;
    last_step = std::max(last_step, end.last_step);
    // Whom both we and mpirun have lost is named once.
    std::vector<std::string> lost = end.lost_hosts;
    std::sort(lost.begin(), lost.end());
    lost.erase(std::unique(lost.begin(), lost.end()), lost.end());
    const std::vector<Host> left = without(job.hosts, lost);
    if (restart > policy.limit || left.empty()) {
      print_err(
          "tessera: not started again: {}\n",
          left.empty() ? "no host is left" : fmt::format("restart.limit is {}", policy.limit));
      return end.code;
    }
    const bool fewer = left.size() < job.hosts.size();
    const double wait =
        policy.backoff * static_cast<double>(int64_t{1} << std::min<int64_t>(restart - 1, 20));
    print_err("tessera: restart {} of {} in {}{}, {}\n", restart, policy.limit, human_seconds(wait),
              fewer
                  ? fmt::format(" on {} ranks without {}, planned anew", ranks_of(left), join(lost))
                  : "",
              lost_text(policy.checkpoint_dir, last_step));
    std::this_thread::sleep_for(std::chrono::duration<double>(wait));
    job.hosts = left;
    const char* before = std::getenv(kRestartVariable);
    const bool replanned = fewer || (before != nullptr && std::string(before) == kReplanned);
    ::setenv(kRestartVariable, replanned ? kReplanned : "true", 1);
  }
}

}  // namespace tessera
