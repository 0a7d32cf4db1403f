#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "comm/communicator.h"
#include "launcher/bench/gpu_peaks.h"
#include "launcher/bench/suite.h"

namespace tessera {

// A row of a suite on the GPU.
struct GpuRow {
  std::string name;
  std::string problem;     // why there is nothing else
  double seconds = 0;      // median of a step
  double flops = 0;        // of one
  double least_bytes = 0;  // each input read and each output written, once
  int launches = 0;
  double compile_seconds = 0;
  double difference = 0;  // of outputs and updates from what they are compared with, of the largest
  double excess = 0;      // the same, less what rounding to the type of an output may be
  std::string compared;   // "the interpreter", "kernels of this host"
};

// Runs the row on random inputs, compares its results with the interpreter's, or where that would
// take too long with those of kernels of this host on `threads` threads, and times it.
GpuRow run_gpu_row(const GpuDevice& device, const Suite& suite, const SuiteRow& row, double seconds,
                   int threads, Communicator& world);

std::string text_of(const GpuRow& row, const GpuPeaks& peaks);
nlohmann::json json_of(const GpuRow& row);

}  // namespace tessera
