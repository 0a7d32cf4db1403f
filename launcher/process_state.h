#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace tessera {

// What the system says about a process. Its number alone may by now be another process's; with the
// time of its start it names one process only.
struct ProcessState {
  uint64_t started = 0;  // in clock ticks since the system's start
  pid_t parent = 0;
  char letter = '?';  // as in `ps`: R, S, D, T (stopped), t (traced), Z (ended, not reaped)

  bool stopped() const { return letter == 'T' || letter == 't'; }
  bool ended() const { return letter == 'Z' || letter == 'X'; }
};

// Nothing when there is no such process.
std::optional<ProcessState> process_state(pid_t pid);

}  // namespace tessera
