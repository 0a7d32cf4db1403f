#pragma once

namespace tessera {

// While any of them lives, SIGTERM and SIGUSR1 are remembered instead of ending the process, so
// that a job can leave in good order. Ranks that are threads have one each.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The last one that came since the first of them was made; 0: none. Any thread may ask.
  static int seen();
};

}  // namespace tessera
