#pragma once

#include <cstdint>

#include "comm/communicator.h"

namespace tessera {

// What a rank has to say to the others between two steps.
struct StepNote {
  int signal = 0;        // that asks for the end; 0: none
  bool at_work = false;  // on a checkpoint
  bool due = false;      // rank 0's clock says that the next checkpoint is
  bool operator==(const StepNote&) const = default;
};

// Ranks may decide only by what all of them know. So they tell one another, after the same steps:
// about ten times a second, or after every step where steps take longer, which costs steps nothing
// that can be measured.
//
//   StepAgreement agreement(world);
//   if (agreement.is_time(step)) { const StepNote all = agreement.exchange(step, seconds, mine); …
//   }
class StepAgreement {
 public:
  explicit StepAgreement(Communicator& world) : world_(world) {}

  // Equal on all ranks.
  bool is_time(int64_t step) const { return step >= next_; }
  // What any rank said. `seconds` is how long a step takes here. Together.
  StepNote exchange(int64_t step, double seconds, const StepNote& mine);

 private:
  Communicator& world_;
  int64_t next_ = 0;
};

}  // namespace tessera
