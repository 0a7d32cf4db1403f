#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codegen/compile.h"

namespace tessera {

// How the search gets on, told after each candidate.
struct TuneProgress {
  std::string kernel;
  int kernel_number = 0, kernels = 0;  // from 1
  int tried = 0;                       // candidates so far, of all kernels
  double seconds = 0;                  // since the search began
  double speedup = 1;                  // of this kernel so far
};

struct TuneOptions {
  CompilerOptions compiler;  // for which to tune: its cache folder, its worker threads
  double seconds = 10;       // for everything; the candidate at hand is finished
  // Seconds of one run of a kernel of this group. Throws UserError when it cannot be run. It should
  // last long enough to be told from noise.
  std::function<double(const Kernel&, const KernelGroup&)> measure;
  std::function<double()> clock;  // seconds since any moment; nothing: the steady clock
  std::function<void(const TuneProgress&)> progress;
};

struct TunedKernel {
  std::string name;
  int uses = 1;           // groups that are this kernel
  int tried = 0;          // candidates measured
  bool improved = false;  // a better schedule was found and is kept now
  std::string schedule;   // the best one, for people
  double before = 0;      // seconds of one run: as compiled until now,
  double after = 0;       // and as compiled from now on
  std::string problem;    // why it was not tuned; empty otherwise
};

struct TuneReport {
  std::vector<TunedKernel> kernels;  // distinct ones, those that cost most first
  int tried = 0;
  double seconds = 0;
};

// Searches for faster schedules of these kernels and keeps those it finds in the cache folder,
// where every later Compiler with the same folder and worker threads on the same host finds them.
//
// Time is split in proportion to what the kernels cost now; what one does not need goes to the
// next. Each is searched from its present schedule: the most promising structures first, then steps
// from the best, again from each new best. A candidate replaces the best only when it is at least
// 3 % faster in medians of runs made in turn with it, and faster at its best, so that neither noise
// nor a change of the host's speed counts as a gain; and what is kept must beat the schedule of
// before once more in the end.
TuneReport tune(const std::vector<KernelGroup>& groups, const TuneOptions& options);

}  // namespace tessera
