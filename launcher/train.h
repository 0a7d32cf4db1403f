#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "launcher/checkpointing.h"
#include "launcher/config.h"

namespace tessera {

// What a training job came to.
struct TrainResult {
  std::map<std::string, double> metrics;  // of the test set: "accuracy", ...
  double loss = 0;                        // of the last step
  std::optional<int64_t> nan_step;        // the first one with a loss of NaN or infinity
  int64_t steps = 0;                      // of this run
  int64_t left_over = 0;                  // examples that fill no batch, in each epoch
  int64_t resumed = 0;                    // steps that were done before, by a checkpoint
  std::optional<CheckpointCost> checkpoints;
  std::string checkpoint_dir;
  double seconds_per_step = 0;    // median
  double planned_seconds = 0;     // of a step, by the plan
  double train_seconds = 0;       // all steps, evaluation not counted
  double feed_seconds = 0;        // of it, in which steps waited for their data
  double first_step_seconds = 0;  // from the command to the end of the first step
  // What the way to the first step went into, seconds each: launch, plan, compile, data, step.
  std::map<std::string, double> startup;
  int ranks = 1;
  std::string plan_hash;
  std::string folder;                // of the run
  std::vector<std::string> outputs;  // those with dims, of the last step: files in the folder
};

struct TrainOptions {
  double started = 0;  // when the command began, seconds since the epoch
  bool quiet = false;  // no progress, for --json to a pipe
};

// Trains on this rank; every rank of `world` calls it with the same config. Rank 0 plans, shows
// progress and writes the run's folder. A job with checkpoints that gets SIGTERM or SIGUSR1 writes
// one and ends with an Error that says so.
TrainResult train(const Config& config, Communicator& world, const TrainOptions& options);

}  // namespace tessera
