#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/config.h"
#include "launcher/folder_lock.h"
#include "launcher/step_agreement.h"
#include "launcher/stop_signals.h"
#include "runtime/checkpoint_writer.h"

namespace tessera {

// What checkpoints came to, over a run.
struct CheckpointCost {
  int64_t written = 0;
  int64_t last_step = -1;       // of the last one that was committed
  int64_t bytes = 0;            // of one, all ranks together
  double waited_seconds = 0;    // in which no step was computed because of them
  double last_seconds = 0;      // in which, at the end, only the last one was written
  int64_t steps_beside = 0;     // computed while one was being written
  double slowdown_seconds = 0;  // by which those took longer than others, by medians
};

// When a training job writes checkpoints, and when it leaves because of a signal. Its folder is
// made and locked before planning; the executable comes later. All calls are made by every rank, in
// the same order.
class Checkpointing {
 public:
  // Throws UserError when the folder holds checkpoints that the job does not go on from: it would
  // mix two histories. `resumed`: the step that it goes on from.
  Checkpointing(const CheckpointConfig& config, Communicator& world);
  void require_no_others(std::optional<int64_t> resumed) const;

  using Facts = std::function<CheckpointFacts(int64_t step)>;
  void begin(Executable& executable, int64_t step, Facts facts);

  // After each step, with the seconds that it took. The signal for which the job leaves now, its
  // state being safe; 0: go on.
  int after_step(int64_t step, double seconds);
  // At the end: the last state is kept.
  void finish(int64_t step);

  const std::string& dir() const { return dir_; }
  CheckpointCost cost() const;

 private:
  using Clock = std::chrono::steady_clock;

  void start(int64_t step);
  void settle(int64_t step);
  void keep_last(int64_t step);
  bool due_by_clock() const;

  const CheckpointConfig config_;
  Communicator& world_;
  const std::string dir_;
  StopSignals signals_;
  std::optional<FolderLock> lock_;  // rank 0's
  StepAgreement agreement_;
  std::optional<CheckpointWriter> writer_;
  Facts facts_;
  Clock::time_point last_ = Clock::now();
  int64_t last_step_ = -1;  // that a checkpoint was begun, or resumed, at
  CheckpointCost cost_;
  std::vector<double> beside_;  // seconds of steps while a checkpoint was being written
  std::vector<double> alone_;   // and of others
};

}  // namespace tessera
