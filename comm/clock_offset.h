#pragma once

#include <functional>
#include <string>

#include "comm/communicator.h"

namespace tessera {

// How a rank's clock stands to that of rank 0.
struct ClockOffset {
  double seconds = 0;  // rank 0's clock shows so much more
  double error = 0;    // by which that may be wrong, at most
};

// A clock that may be read on this rank: in seconds, and called by a name that is the same where
// the clock is.
struct RankClock {
  std::function<double()> now;
  std::string name;
};

// The steady clock, which all processes of one kernel share: its name is that of the boot.
RankClock steady_rank_clock();

// Together. Ranks with rank 0's own clock need no measuring. Each of the others in turn asks rank 0
// 16 times what its clock shows; of the question that was answered fastest, the answer is taken for
// the time in the middle between asking and hearing (Cristian's method), and half of what it took
// bounds the error.
//
//   asked at 10.0, heard 25.3 at 10.2:   25.3 - 10.1 = 15.2 s, give or take 0.1 s
ClockOffset measure_clock_offset(Communicator& world, const RankClock& clock);

}  // namespace tessera
