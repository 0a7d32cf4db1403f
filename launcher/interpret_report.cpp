#include "launcher/interpret_report.h"

#include <fmt/format.h>

namespace tessera {
namespace {

constexpr double kMeasure = 1;  // seconds
constexpr double kLong = 5;     // seconds, from which on there is something to say
constexpr int64_t kParts = 1000;

}  // namespace

InterpretReport::InterpretReport(const ProgressStyle& style,
                                 std::function<void(const std::string&)> write,
                                 std::function<double()> now)
    : style_(style),
      write_(write ? std::move(write) : write_to_stderr),
      now_(now ? std::move(now) : steady_seconds) {}

void InterpretReport::update(double done, double total) {
  if (!start_) {
    start_ = now_();
    before_ = done;
  }
  if (!decided_) {
    const double seconds = now_() - *start_;
    if (seconds < kMeasure || done <= before_) return;
    decided_ = true;
    const double rate = (done - before_) / seconds;
    const double whole = total / rate;
    if (whole < kLong) return;
    write_(
        fmt::format("the interpreter needs about {} for {:.2g} operations ({:.2g} a second); "
                    "without --interpret, compiled kernels take a fraction of that\n",
                    clock_text(whole), total, rate));
    progress_.emplace("interpret", kParts, style_, write_, now_);
  }
  if (progress_) progress_->update(static_cast<int64_t>(kParts * done / total));
}

void InterpretReport::finish() {
  if (progress_) progress_->finish();
}

}  // namespace tessera
