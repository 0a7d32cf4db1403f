#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "placement/network.h"
#include "placement/solve.h"

namespace tessera {

struct AnytimeProgress {
  double seconds = 0;  // since the solver was called
  double cost = kForbidden;
  double bound = -kForbidden;
};

struct AnytimeOptions {
  std::chrono::steady_clock::time_point until;
  uint64_t seed = 1;
  std::function<void(const AnytimeProgress&)> progress;  // called by the calling thread
};

// Solves networks of any size as far as time allows, with two threads: one raises a bound by
// messages and prices of rows, the other one improves an assignment by regions, and shakes it where
// that leads no further. What the two leave no room for is dropped, and the smaller network
// presolved again. Rows lie in spans; no factors.
//
// How far each thread comes by `until` depends on the machine, and so does the answer, unless the
// optimum is proven before.
Solution solve_anytime(const Network& network, const AnytimeOptions& options);

}  // namespace tessera
