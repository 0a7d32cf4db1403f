#include "launcher/rank_end.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "launcher/exit_code.h"
#include "launcher/standard_streams.h"

namespace tessera {

void report_failure(JobLink* link, const RankError& error) {
  if (link != nullptr) return link->failed(error.code, error.text);
  if (error.code != kPeerFailed || error.rank == 0)
    print_err("tessera: rank {}: {}\n", error.rank, error.text);
}

void leave_after_cause(JobLink* link, const MpiLaunchInfo& info, int code) {
  constexpr double kSeconds = 2;
  if (code == kPeerFailed && link != nullptr)
    link->await_cause(kSeconds);
  else if (code == kPeerFailed && info.size > 1)
    std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
  std::fflush(nullptr);
  _exit(code);
}

void leave_lost_job() {
  const pid_t parent = ::getppid();
  std::ifstream file("/proc/" + std::to_string(parent) + "/comm");
  std::string name;
  if (std::getline(file, name) && name == "orted") ::kill(parent, SIGTERM);
  _exit(kPeerFailed);
}

}  // namespace tessera
