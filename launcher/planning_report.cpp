#include "launcher/planning_report.h"

#include <chrono>

#include "base/units.h"

namespace tessera {
namespace {

constexpr double kRedraw = 0.25;  // seconds

}  // namespace

PlanningReport::PlanningReport(const ProgressStyle& style,
                               std::function<void(const std::string&)> write, double first)
    : style_(style),
      write_(write ? std::move(write) : write_to_stderr),
      thread_([this, first] { watch(first); }) {}

PlanningReport::~PlanningReport() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_one();
  thread_.join();
  if (visible_) write_("\r\x1b[K");
}

void PlanningReport::update(const SearchState& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

void PlanningReport::watch(double first) {
  using Seconds = std::chrono::duration<double>;
  const auto start = std::chrono::steady_clock::now();
  double wait = first;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, Seconds(wait), [&] { return over_; })) {
    const SearchState state = state_;
    lock.unlock();
    show(state, Seconds(std::chrono::steady_clock::now() - start).count());
    lock.lock();
    wait = style_.terminal ? kRedraw : style_.line_seconds;
  }
}

void PlanningReport::show(const SearchState& state, double seconds) {
  std::string line = "planning, " + clock_text(seconds);
  if (!state.doing.empty()) line += ": " + state.doing;
  if (state.best) line += ", best plan so far " + human_seconds(*state.best);
  if (state.best && state.bound > 0) line += ", bound " + human_seconds(state.bound);
  if (!style_.terminal) return write_(line + "\n");
  write_("\r\x1b[K" + line.substr(0, static_cast<size_t>(style_.columns)));
  visible_ = true;
}

}  // namespace tessera
