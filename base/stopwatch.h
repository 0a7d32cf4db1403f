#pragma once

#include <chrono>

namespace tessera {

// Seconds since it was made, by the steady clock:
//
//   const Stopwatch watch;
//   work();
//   const double seconds = watch.seconds();
class Stopwatch {
 public:
  using Clock = std::chrono::steady_clock;

  Clock::time_point start() const { return start_; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  Clock::time_point start_ = Clock::now();
};

}  // namespace tessera
