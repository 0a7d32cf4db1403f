#include "launcher/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "launcher/standard_streams.h"

namespace tessera {
namespace {

constexpr double kWindowSeconds = 5;

std::string rate_text(const ProgressState& state) {
  const double rate = state.steps_per_second;
  if (!(rate > 0)) return "";
  return rate >= 0.1 ? fmt::format("{:.1f} steps/s", rate) : fmt::format("{:.1f} s/step", 1 / rate);
}

std::string left_text(const ProgressState& state) {
  if (state.done >= state.total) return clock_text(state.seconds);
  if (!(state.steps_per_second > 0)) return "";
  return clock_text(static_cast<double>(state.total - state.done) / state.steps_per_second) +
         " left";
}

std::string loss_text(const ProgressState& state) {
  return state.loss ? fmt::format("loss {:.4f}", *state.loss) : "";
}

int terminal_columns() {
  if (const char* columns = std::getenv("COLUMNS")) {
    const int value = std::atoi(columns);
    if (value > 0) return value;
  }
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

std::string grouped(int64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

ProgressStyle style_of_stderr() {
  ProgressStyle style;
  const char* term = std::getenv("TERM");
  const char* no_colour = std::getenv("NO_COLOR");
  style.terminal = ::isatty(STDERR_FILENO) == 1 && term && std::string_view(term) != "dumb";
  style.colour = style.terminal && !(no_colour && *no_colour);
  style.columns = terminal_columns();
  return style;
}

void write_to_stderr(const std::string& text) {
  write_err(text);
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::clamp(seconds, 0.0, 3.6e7)));
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string render_bar(const ProgressState& state, const ProgressStyle& style) {
  const double share =
      state.total > 0
          ? std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0)
          : 0;
  const std::string head = fmt::format("{} {:3}% ", state.label, static_cast<int>(share * 100));
  std::string tail = fmt::format(" {}/{}", grouped(state.done), grouped(state.total));
  for (const std::string& part : {rate_text(state), left_text(state), loss_text(state)})
    if (!part.empty()) tail += "  " + part;
  const int free = style.columns - static_cast<int>(head.size() + tail.size()) - 2;
  if (free < 5) return (head + tail.substr(1)).substr(0, static_cast<size_t>(style.columns));
  const int width = std::min(free, 40);
  const int filled = static_cast<int>(share * width);
  const std::string full(static_cast<size_t>(filled), '#');
  const std::string rest(static_cast<size_t>(width - filled), ' ');
  return head + "[" + (style.colour ? "\x1b[32m" + full + "\x1b[0m" : full) + rest + "]" + tail;
}

std::string render_line(const ProgressState& state) {
  std::string line =
      fmt::format("{}: step {}/{}", state.label, grouped(state.done), grouped(state.total));
  for (const std::string& part : {rate_text(state), left_text(state), loss_text(state)})
    if (!part.empty()) line += ", " + part;
  return line;
}

Progress::Progress(std::string label, int64_t total, const ProgressStyle& style,
                   std::function<void(const std::string&)> write, std::function<double()> now)
    : style_(style),
      write_(write ? std::move(write) : write_to_stderr),
      now_(now ? std::move(now) : steady_seconds),
      start_(now_()),
      last_shown_(start_),
      window_start_(start_) {
  state_.label = std::move(label);
  state_.total = total;
}

Progress::~Progress() {
  if (bar_visible_) write_("\n");
}

void Progress::update(int64_t done, std::optional<double> loss) {
  if (finished_) return;
  state_.done = done;
  if (loss) state_.loss = loss;
  const double now = now_();
  state_.seconds = now - start_;
  const double window = now - window_start_;
  if (window > 0) state_.steps_per_second = static_cast<double>(done - window_done_) / window;
  if (window > kWindowSeconds) {
    window_start_ = now;
    window_done_ = done;
  }
  if (now - last_shown_ < (style_.terminal ? style_.redraw_seconds : style_.line_seconds)) return;
  last_shown_ = now;
  show();
}

void Progress::show() {
  if (!style_.terminal) return write_(render_line(state_) + "\n");
  write_("\r\x1b[K" + render_bar(state_, style_));
  bar_visible_ = true;
}

void Progress::say(const std::string& line) {
  write_((bar_visible_ ? "\r\x1b[K" : "") + line + "\n");
  if (bar_visible_) show();
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  const double now = now_();
  state_.seconds = now - start_;
  if (state_.seconds > 0)
    state_.steps_per_second = static_cast<double>(state_.done) / state_.seconds;
  show();
  if (bar_visible_) write_("\n");
  bar_visible_ = false;
}

}  // namespace tessera
