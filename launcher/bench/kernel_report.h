#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codegen/explain_form.h"
#include "codegen/machine.h"
#include "codegen/work.h"
#include "runtime/executable.h"

namespace tessera {

// One kernel of a step: how it is built, what planning expects of it and what it takes.
struct KernelReport {
  std::string name;
  int uses = 1;  // tasks that run this kernel
  std::vector<std::string> nests;
  KernelForm form;
  bool tuned = false;
  double predicted = 0;            // seconds of one run: the model's, of its nests one by one
  WorkAmounts work{};              // of which it is the price
  std::optional<double> measured;  // of one run, within a step: the median of five steps. Within a
                                   // loop: alone, on random inputs
  std::string problem;             // why it was not measured
};

// The distinct kernels of this rank's part of a step, in order of their first task. Runs the step
// five times. Together.
std::vector<KernelReport> kernel_reports(Executable& step, Compiler& compiler,
                                         const CompilerOptions& options, const Machine& machine);

std::string text_of(const std::vector<KernelReport>& reports);
nlohmann::json json_of(const std::vector<KernelReport>& reports);

// How far predictions are off: a factor of 2 is twice the time, or half of it. Kernels of less than
// 2 us are left out: what they take is the launch.
struct ModelAccuracy {
  int kernels = 0;
  double median = 1;      // factor
  double within_two = 1;  // share of kernels
};
ModelAccuracy accuracy_of(const std::vector<KernelReport>& reports);
// "of 9 kernels of 2 us or more, predictions are off by a factor of 1.51 in the median; …"
std::string text_of(const ModelAccuracy& accuracy);

}  // namespace tessera
