#pragma once

#include <string>
#include <vector>

#include "launcher/bench/suite.h"

namespace tessera {

// What `bench SUITES --target nvptx` is asked for.
struct GpuBenchArguments {
  std::string assemble;        // "sm_80,sm_90": by ptxas, for these
  std::string emit;            // a folder for the PTX of all kernels
  std::string arch = "sm_90";  // of that PTX
  bool run = false;            // on this machine's GPU
  double seconds = 1;          // to time a row
  int threads = 1;             // of the host, for what the GPU's results are compared with
  bool json = false;
};

// Throws UserError where nothing, or no such thing, is asked for.
int bench_gpu(const std::vector<Suite>& suites, const GpuBenchArguments& arguments);

// The architectures of a list: "sm_80,sm_90". Throws UserError for anything but "sm_" and a number
// of 80 or more.
std::vector<std::string> parse_archs(const std::string& list);

}  // namespace tessera
