#include "launcher/commands/bench_tune.h"

#include <fmt/format.h>

#include <algorithm>

#include "launcher/progress.h"
#include "launcher/standard_streams.h"
#include "runtime/kernel_timer.h"

namespace tessera {
namespace {

constexpr size_t kMostRows = 12;

// A line that is redrawn on a terminal; elsewhere one line a kernel, and one now and then.
class TuneLine {
 public:
  explicit TuneLine(double budget) : budget_(budget), style_(style_of_stderr()) {}
  ~TuneLine() {
    if (shown_ && style_.terminal) write_err("\n");
  }

  void show(const TuneProgress& p) {
    const double wait = style_.terminal ? style_.redraw_seconds : style_.line_seconds;
    const bool fresh = !style_.terminal && p.kernel_number != kernel_;
    if (shown_ && !fresh && p.seconds < last_ + wait) return;
    const std::string text = fmt::format(
        "tune: {:.0f} of {:.0f} s, kernel {} of {}, {} schedules tried, {}: {:.2f} times as fast",
        p.seconds, budget_, p.kernel_number, p.kernels, p.tried, p.kernel, p.speedup);
    const std::string cut = text.substr(0, static_cast<size_t>(std::max(20, style_.columns - 1)));
    print_err("{}", style_.terminal ? "\r" + cut + "\x1b[K" : text + "\n");
    shown_ = true;
    last_ = p.seconds;
    kernel_ = p.kernel_number;
  }

 private:
  double budget_;
  ProgressStyle style_;
  bool shown_ = false;
  double last_ = 0;
  int kernel_ = 0;
};

int improved(const TuneReport& report) {
  return static_cast<int>(std::count_if(report.kernels.begin(), report.kernels.end(),
                                        [](const TunedKernel& k) { return k.improved; }));
}

}  // namespace

TuneReport tune_step(const Executable& step, Communicator& world, const TuneArguments& arguments) {
  TuneReport report;
  if (world.rank() == 0) {
    std::vector<KernelGroup> groups;
    each_task(step.executor().graph().tasks, [&groups](const Task& task) {
      if (task.kind == TaskKind::compute) groups.push_back(task.group);
    });
    KernelTimer timer(arguments.compiler.worker_threads);
    TuneLine line(arguments.seconds);
    TuneOptions options;
    options.compiler = arguments.compiler;
    options.seconds = arguments.seconds;
    options.measure = [&](const Kernel& kernel, const KernelGroup& group) {
      return timer.seconds(kernel, group);
    };
    if (!arguments.quiet) options.progress = [&](const TuneProgress& p) { line.show(p); };
    report = tune(groups, options);
  }
  world.set_context("waiting for rank 0 to tune");
  world.barrier();
  return report;
}

std::string text_of(const TuneReport& report) {
  std::string text = fmt::format(
      "tuned for {:.1f} s: {} schedules tried for {} kernels, {} improved\n"
      "   before us    after us  gain  tried  kernel\n",
      report.seconds, report.tried, report.kernels.size(), improved(report));
  for (size_t i = 0; i < report.kernels.size() && i < kMostRows; ++i) {
    const TunedKernel& k = report.kernels[i];
    text += fmt::format("  {:10.1f}  {:10.1f}  {:4.2f}  {:5}  {}{}\n", 1e6 * k.before,
                        1e6 * k.after, k.after > 0 ? k.before / k.after : 1, k.tried, k.name,
                        k.uses > 1 ? fmt::format(" (and {} alike)", k.uses - 1) : "");
    if (k.improved) text += "              now " + k.schedule + "\n";
    if (!k.problem.empty()) text += "              " + k.problem + "\n";
  }
  if (report.kernels.size() > kMostRows)
    text += fmt::format("  and {} that take less\n", report.kernels.size() - kMostRows);
  return text;
}

nlohmann::json json_of(const TuneReport& report) {
  nlohmann::json kernels = nlohmann::json::array();
  for (const TunedKernel& k : report.kernels)
    kernels.push_back({{"name", k.name},
                       {"uses", k.uses},
                       {"tried", k.tried},
                       {"improved", k.improved},
                       {"schedule", k.schedule},
                       {"before_ms", 1e3 * k.before},
                       {"after_ms", 1e3 * k.after}});
  return {{"tune_s", report.seconds},
          {"tuned_kernels", improved(report)},
          {"tried", report.tried},
          {"kernels", kernels}};
}

}  // namespace tessera
