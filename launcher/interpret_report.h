#pragma once

#include <functional>
#include <optional>
#include <string>

#include "launcher/progress.h"

namespace tessera {

// Tells people how long the interpreter will take, once a measure of a second says that it is long,
// and then how it gets on; on standard error. Says nothing of what takes some seconds only.
//
//   the interpreter needs about 12:30 for 3.1e+09 operations (4.1e+06 a second); without
//   --interpret, compiled kernels take a fraction of that
class InterpretReport {
 public:
  // `write` gets the text and `now` gives seconds, as those of Progress.
  explicit InterpretReport(const ProgressStyle& style = style_of_stderr(),
                           std::function<void(const std::string&)> write = {},
                           std::function<double()> now = {});

  void update(double done, double total);
  void finish();

 private:
  const ProgressStyle style_;
  const std::function<void(const std::string&)> write_;
  const std::function<double()> now_;
  std::optional<double> start_;  // of the measure
  double before_ = 0;            // done by then
  bool decided_ = false;
  std::optional<Progress> progress_;
};

}  // namespace tessera
