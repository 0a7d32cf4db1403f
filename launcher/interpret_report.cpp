#include "launcher/interpret_report.h"

#include "launcher/standard_streams.h"

namespace tessera {
namespace {

constexpr double kMeasure = 1;  // seconds
constexpr double kLong = 5;     // seconds, from which on there is something to say
constexpr int64_t kParts = 1000;

}  // namespace

void InterpretReport::update(double done, double total) {
  if (!start_) {
    start_ = Clock::now();
    before_ = done;
  }
  if (!decided_) {
    const double seconds = std::chrono::duration<double>(Clock::now() - *start_).count();
    if (seconds < kMeasure || done <= before_) return;
    decided_ = true;
    const double rate = (done - before_) / seconds;
    const double whole = total / rate;
    if (whole < kLong) return;
    print_err(
        "the interpreter needs about {} for {:.2g} operations ({:.2g} a second); without "
        "--interpret, compiled kernels take a fraction of that\n",
        clock_text(whole), total, rate);
    progress_.emplace("interpret", kParts, style_of_stderr());
  }
  if (progress_) progress_->update(static_cast<int64_t>(kParts * done / total));
}

void InterpretReport::finish() {
  if (progress_) progress_->finish();
}

}  // namespace tessera
