#pragma once

#include <functional>
#include <optional>
#include <string>

namespace tessera {

// How a search gets on, for people who wait.
struct SearchState {
  std::string doing;           // "mesh 3 of 12 (data=8,model=8): pricing nest 40 of 212"
  std::optional<double> best;  // seconds a step of the best plan so far
  double bound = 0;            // no plan takes fewer seconds, as far as is proven
};

// Called by the thread that plans, often; must be cheap. May be empty.
using SearchReport = std::function<void(const SearchState&)>;

// What the parts of one search say, put together: where it is, and what it does there.
//
//   Reporter reporter(report);
//   reporter.at("mesh 3 of 12 (data=8,model=8)");
//   reporter.doing("pricing nest", 40, 212);
class Reporter {
 public:
  explicit Reporter(SearchReport report) : report_(std::move(report)) {}

  void at(std::string where) { where_ = std::move(where); }
  void best(double seconds, double bound) {
    state_.best = seconds;
    state_.bound = bound;
    if (report_) report_(state_);
  }
  void doing(const std::string& what) {
    if (!report_) return;
    state_.doing = where_.empty() ? what : where_ + ": " + what;
    report_(state_);
  }
  void doing(const char* what, size_t number, size_t of) {
    if (report_) doing(what + (" " + std::to_string(number)) + " of " + std::to_string(of));
  }

 private:
  SearchReport report_;
  SearchState state_;
  std::string where_;
};

}  // namespace tessera
