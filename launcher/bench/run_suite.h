#pragma once

#include <functional>

#include "launcher/bench/contender.h"
#include "launcher/bench/kernel_report.h"
#include "launcher/bench/peers.h"
#include "launcher/bench/suite.h"
#include "launcher/commands/execution.h"

namespace tessera {

// What Tessera's time is put beside.
enum class Against {
  peers,
  nobody,
  one_thread,  // itself on one thread
  untuned      // itself without what tuning found; tunes first
};

struct SuiteSettings {
  ExecutionArguments execution;
  Against against = Against::peers;
  double seconds = 1;  // of each contender, a row
  double tune = 0;     // seconds of tuning a row; for Against::untuned
  bool model = false;  // compare the kernels' predicted and measured times
  PeerSettings peers;
};

struct RowResult {
  SuiteRow row;
  std::vector<Contender> contenders;  // Tessera first; the machine's limit where that is asked for
  double flops = 0;                   // of its work, as `bench PROGRAM` counts
  double least_bytes = 0;             // each input read and each output written, once
  std::vector<KernelReport> kernels;  // with `model`
  std::string problem;                // why there is nothing else

  const Contender& ours() const { return contenders.front(); }
  // The fastest of the others, or nothing.
  const Contender* fastest() const;
};

struct SuiteResult {
  Suite suite;
  std::vector<RowResult> rows;
};

// Runs one row; a row that fails says why in `problem`.
RowResult run_row(const Suite& suite, const SuiteRow& row, const SuiteSettings& settings,
                  const Machine& machine, Peers& peers, Communicator& world);

// Bytes that a step in normal form moves at least: every tensor that is fed or kept and read, every
// output, every update, once.
double least_bytes_of(const Program& normal);

}  // namespace tessera
