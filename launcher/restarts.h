#pragma once

#include <cstdint>
#include <string>

#include "launcher/supervise.h"

namespace tessera {

// When a job is started again by itself.
struct RestartPolicy {
  int64_t limit = 0;
  double backoff = 10;         // seconds before the first one; each next time twice as long
  std::string checkpoint_dir;  // from where it goes on
};

// Of a rank's environment: that the job goes on from its newest checkpoint; with the value
// kReplanned on fewer ranks than its config says.
inline constexpr const char* kRestartVariable = "TESSERA_RESTART";
inline constexpr const char* kReplanned = "replanned";

// supervise(), and again after a rank, a host or the network failed (kPeerFailed), without the
// hosts that were lost. Each time says on standard error where the job goes on and which steps are
// lost. What the user or the machine has to mend, and what a signal asked for, is not tried again.
// Returns the exit code of the last try.
int supervise_with_restarts(SupervisedJob job, const RestartPolicy& policy);

}  // namespace tessera
