#pragma once

namespace tessera {

// While any of them lives, SIGTERM and SIGUSR1 are remembered instead of ending the process, so
// that a job can leave in good order. Ranks that are threads have one each; ranks that are
// processes have one from their start on, as what asks for the end of a job comes at any time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Takes note of one that came to another process of the job.
  static void take(int number);
  // The last one that came since the first of them was made; 0: none. Any thread may ask.
  static int seen();
};

}  // namespace tessera
