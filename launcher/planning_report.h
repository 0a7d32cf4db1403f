#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "launcher/progress.h"
#include "placement/search_report.h"

namespace tessera {

// Shows on standard error that planning goes on, from its first second: on a terminal in one line
// that is redrawn and goes away at the end, else in lines that stay, `line_seconds` apart.
//
//   planning, 0:12: mesh 3 of 12 (data=8,model=8): pricing nest 40 of 212, best plan so far 18.2 ms
//
// A thread of its own writes, so that time goes on also where the search says nothing for long.
class PlanningReport {
 public:
  // `write` gets the text, by default it goes to standard error; nothing is said before `first`.
  explicit PlanningReport(const ProgressStyle& style,
                          std::function<void(const std::string&)> write = {}, double first = 1);
  ~PlanningReport();
  PlanningReport(const PlanningReport&) = delete;
  PlanningReport& operator=(const PlanningReport&) = delete;

  // What the search does now. Any thread may call it.
  void update(const SearchState& state);

 private:
  void watch(double first);
  void show(const SearchState& state, double seconds);

  const ProgressStyle style_;
  const std::function<void(const std::string&)> write_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  SearchState state_;
  bool visible_ = false;  // of the thread: a line that must go away
  std::thread thread_;
};

}  // namespace tessera
