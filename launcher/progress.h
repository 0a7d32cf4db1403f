#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tessera {

// How and where progress is shown. Results go to standard output; this goes to standard error.
struct ProgressStyle {
  bool terminal = false;  // a bar that is redrawn in place; else plain lines
  bool colour = false;
  int columns = 80;
  double redraw_seconds = 0.1;  // bar: at most this often
  double line_seconds = 10;     // plain: at least this far apart
};

// For standard error: a bar when it is a terminal that can move the cursor (TERM is not "dumb"),
// colour unless NO_COLOR is set to something, the width from COLUMNS or else the terminal.
ProgressStyle style_of_stderr();

// What is shown.
struct ProgressState {
  std::string label;  // "train"
  int64_t done = 0;
  int64_t total = 0;
  double seconds = 0;  // since the start
  double steps_per_second = 0;
  std::optional<double> loss;
};

// One line without its newline, at most `style.columns` wide (colour codes not counted):
//
//   train  42% [########            ] 468/1,117  81.3 steps/s  0:08 left  loss 0.4312
//   train: step 468/1,117, 81.3 steps/s, 0:08 left, loss 0.4312
std::string render_bar(const ProgressState& state, const ProgressStyle& style);
std::string render_line(const ProgressState& state);

// "1,117"
std::string grouped(int64_t value);

// "0:08", "12:30", "3:05:00"
std::string clock_text(double seconds);

// Where the text goes and what the time is, unless somebody says otherwise.
void write_to_stderr(const std::string& text);
double steady_seconds();

// Shows how a loop gets on. `write` gets the text, by default it goes to standard error; `now`
// gives seconds. Not thread-safe: one loop, one Progress. The destructor ends the bar's line.
class Progress {
 public:
  Progress(std::string label, int64_t total, const ProgressStyle& style,
           std::function<void(const std::string&)> write = {}, std::function<double()> now = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` steps are finished; cheap enough to call after each.
  void update(int64_t done, std::optional<double> loss = std::nullopt);
  // A line that stays, such as an epoch's accuracy; a bar is redrawn below it.
  void say(const std::string& line);
  // Shows the final state and ends the line. Later calls do nothing.
  void finish();

 private:
  void show();

  ProgressState state_;
  ProgressStyle style_;
  std::function<void(const std::string&)> write_;
  std::function<double()> now_;
  double start_;
  double last_shown_;
  double window_start_;  // the rate is taken over a sliding window, not the whole run
  int64_t window_done_ = 0;
  bool bar_visible_ = false;
  bool finished_ = false;
};

}  // namespace tessera
