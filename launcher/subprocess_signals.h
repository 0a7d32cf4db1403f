#pragma once

#include <signal.h>

#include <utility>
#include <vector>

namespace tessera {

// While it lives, the given signals are written to a pipe instead of having their usual effect.
// Signal handlers belong to the process, so only one may live at a time (InternalError otherwise).
class SignalRelay {
 public:
  explicit SignalRelay(const std::vector<int>& numbers);
  ~SignalRelay();
  SignalRelay(const SignalRelay&) = delete;
  SignalRelay& operator=(const SignalRelay&) = delete;

  int descriptor() const { return read_end_; }  // readable when a signal has come
  int next();                                   // its number, or 0 when none is waiting

 private:
  int read_end_ = -1;
  int write_end_ = -1;
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace tessera
