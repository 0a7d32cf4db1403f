#include "launcher/rank_end.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "launcher/exit_code.h"
#include "launcher/standard_streams.h"

namespace tessera {

void report_failure(const std::optional<RankReports>& reports, const RankError& error) {
  if (reports) return reports->failed(error);
  if (error.code != kPeerFailed || error.rank == 0)
    print_err("tessera: rank {}: {}\n", error.rank, error.text);
}

void leave_after_cause(const std::optional<RankReports>& reports, const MpiLaunchInfo& info,
                       int code) {
  constexpr double kSeconds = 2;
  if (code == kPeerFailed && reports)
    reports->await_cause(info.size, kSeconds);
  else if (code == kPeerFailed && info.size > 1)
    std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace tessera
