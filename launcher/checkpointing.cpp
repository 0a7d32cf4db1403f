#include "launcher/checkpointing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "launcher/find_checkpoint.h"
#include "launcher/median.h"

namespace tessera {
namespace {

double seconds_between(std::chrono::steady_clock::time_point a,
                       std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

// Adds the seconds of its life to a sum.
class Timed {
 public:
  explicit Timed(double& sum) : sum_(sum) {}
  ~Timed() { sum_ += seconds_between(start_, std::chrono::steady_clock::now()); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  double& sum_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Checkpointing::Checkpointing(const CheckpointConfig& config, Communicator& world)
    : config_(config), world_(world), dir_(config.dir), agreement_(world) {
  if (world.rank() == 0) {
    const FileSystem disk;
    disk.make_folder(dir_);
    lock_.emplace(dir_);
    remove_leftovers(disk, dir_);
  }
  require_shared_folder(world, dir_);
}

void Checkpointing::require_no_others(std::optional<int64_t> resumed) const {
  if (world_.rank() != 0) return;
  const std::vector<CheckpointPlace> places = list_checkpoints(dir_);
  if (places.empty() || (resumed && places.front().step <= *resumed)) return;
  throw UserError(
      fmt::format("{}: holds a checkpoint of step {}, {}; choose another checkpoint.dir, or remove "
                  "what is there",
                  dir_, places.front().step,
                  resumed ? fmt::format("later than step {}, from which this job goes on", *resumed)
                          : "and this job begins anew: add --resume to go on from there"));
}

void Checkpointing::begin(Executable& executable, int64_t step, Facts facts) {
  writer_.emplace(executable, world_, dir_, static_cast<size_t>(config_.keep));
  facts_ = std::move(facts);
  last_step_ = step;
  last_ = Clock::now();
  int64_t bytes = writer_->bytes();
  world_.all_reduce(&bytes, &cost_.bytes, 1, DType::i64, ReduceOp::sum);
}

bool Checkpointing::due_by_clock() const {
  return config_.every_seconds > 0 && world_.rank() == 0 &&
         seconds_between(last_, Clock::now()) >= config_.every_seconds;
}

void Checkpointing::start(int64_t step) {
  settle(last_step_);
  writer_->start(facts_(step));
  last_step_ = step;
  last_ = Clock::now();
}

// Waits for the checkpoint in the making, which is that of `step`.
void Checkpointing::settle(int64_t step) {
  if (writer_->idle()) return;
  writer_->finish();
  ++cost_.written;
  cost_.last_step = step;
}

int Checkpointing::after_step(int64_t step, double seconds) {
  (writer_->idle() ? alone_ : beside_).push_back(seconds);
  bool due = config_.every_steps > 0 && step % config_.every_steps == 0;
  int signal = 0;
  if (agreement_.is_time(step)) {
    const StepNote all = agreement_.exchange(
        step, seconds, {StopSignals::seen(), writer_->at_work(), due_by_clock()});
    if (!writer_->idle() && !all.at_work) {
      const Timed waited(cost_.waited_seconds);
      writer_->advance();
      if (writer_->idle()) {
        ++cost_.written;
        cost_.last_step = last_step_;
      }
    }
    due = due || all.due;
    signal = all.signal;
  }
  // What ranks wait for one another in `exchange` they would wait for in the next step.
  const Timed waited(cost_.waited_seconds);
  if (signal != 0)
    keep_last(step);
  else if (due)
    start(step);
  return signal;
}

void Checkpointing::finish(int64_t step) {
  const Timed waited(cost_.last_seconds);
  keep_last(step);
}

void Checkpointing::keep_last(int64_t step) {
  if (step != last_step_) start(step);
  settle(step);
}

CheckpointCost Checkpointing::cost() const {
  CheckpointCost cost = cost_;
  cost.steps_beside = static_cast<int64_t>(beside_.size());
  if (!beside_.empty() && !alone_.empty())
    cost.slowdown_seconds =
        std::max(0.0, median_of(beside_) - median_of(alone_)) * static_cast<double>(beside_.size());
  return cost;
}

}  // namespace tessera
