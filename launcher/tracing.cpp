#include "launcher/tracing.h"

#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "launcher/json_text.h"
#include "launcher/task_prediction.h"

namespace tessera {
namespace {

constexpr size_t kMostSpans = 100000;  // of a stream, in one step
constexpr int kTag = 22;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

nlohmann::json task_json(const Task& task, const Tracing::Predicted& predicted) {
  static const char* const kinds[] = {"compute", "communicate", "copy", "loop"};
  nlohmann::json json = {{"name", task.name}, {"kind", kinds[static_cast<size_t>(task.kind)]}};
  if (task.where.known()) json["where"] = task.where.str();
  if (task.comm) {
    json["bytes"] = task.comm->bytes;
    json["group"] = task.comm->group;
  }
  if (predicted) json["predicted_seconds"] = predicted(task);
  return json;
}

}  // namespace

Tracing::Tracing(const TraceConfig& config, Communicator& world, RankClock clock)
    : config_(config), world_(world), clock_(std::move(clock)) {}

Tracing::Comparison Tracing::compare() {
  const ClockOffset offset = measure_clock_offset(world_, clock_);
  return {clock_.now(), offset};
}

void Tracing::before(int64_t step, Executable& executable) {
  step_ = step;
  if (step != config_.from - 1 || config_.steps == 0) return;
  before_ = compare();
  zero_ = clock_.now();
  world_.set_context("agreeing about the beginning of the trace");
  world_.broadcast(&zero_, sizeof zero_, 0);
  first_ = step;
  recording_ = true;
  executable.executor().record(kMostSpans);
}

void Tracing::span(const char* what, double begin, double end) {
  if (recording_) job_.push_back({what, step_, begin, end});
}

bool Tracing::after(int64_t step, Executable& executable) {
  if (!recording_) return false;
  const Executor::Recorded recorded = executable.executor().take_recorded();
  for (const TaskSpan& span : recorded.computing) computing_.push_back({step, span});
  for (const TaskSpan& span : recorded.communicating) communicating_.push_back({step, span});
  lost_ += recorded.lost;
  ++steps_;
  return steps_ == config_.steps;
}

// On rank 0's clock, since the beginning.
int64_t Tracing::nanoseconds(double mine) const {
  const double length = after_.at - before_.at;
  const double share = length > 0 ? (mine - before_.at) / length : 0;
  const double offset =
      before_.offset.seconds + share * (after_.offset.seconds - before_.offset.seconds);
  return std::llround(1e9 * (mine + offset - zero_));
}

std::string Tracing::rank_line(Executable& executable, const Predicted& predicted) const {
  nlohmann::json json = {
      {"rank", world_.rank()},
      {"host", host_name()},
      {"process", ::getpid()},
      {"clock_error_seconds", std::max(before_.offset.error, after_.offset.error)},
      {"lost", lost_}};
  nlohmann::json tasks = nlohmann::json::array();
  for (const Task* task : all_tasks(executable.executor().graph().tasks))
    tasks.push_back(task_json(*task, world_.rank() == 0 ? predicted : Predicted()));
  json["tasks"] = tasks;
  const auto spans = [&](const std::vector<StepSpan>& list) {
    nlohmann::json found = nlohmann::json::array();
    for (const auto& [step, span] : list)
      found.push_back({step + 1, span.task, span.iteration, nanoseconds(span.ready),
                       nanoseconds(span.begin), nanoseconds(span.end)});
    return found;
  };
  json["computing"] = spans(computing_);
  json["communicating"] = spans(communicating_);
  nlohmann::json job = nlohmann::json::array();
  for (const JobSpan& span : job_)
    job.push_back({span.step + 1, span.what, nanoseconds(span.begin), nanoseconds(span.end)});
  json["job"] = job;
  return json_text(json) + "\n";
}

// The lines of all ranks, on rank 0.
std::string Tracing::gather(const std::string& mine) {
  const auto bytes = static_cast<int64_t>(mine.size());
  const std::vector<size_t> counts(static_cast<size_t>(world_.size()), 1);
  std::vector<int64_t> sizes(counts.size());
  world_.set_context("collecting the traces of ranks");
  world_.all_gather(&bytes, sizes.data(), counts, DType::i64);
  if (world_.rank() != 0) {
    world_.send(mine.data(), mine.size(), 0, kTag);
    return "";
  }
  std::string all = mine;
  for (int rank = 1; rank < world_.size(); ++rank) {
    std::string theirs(static_cast<size_t>(sizes[static_cast<size_t>(rank)]), '\0');
    world_.recv(theirs.data(), theirs.size(), rank, kTag);
    all += theirs;
  }
  return all;
}

std::string Tracing::take(Executable& executable, const Predicted& predicted) {
  executable.executor().record(0);
  recording_ = false;
  after_ = compare();
  const std::string ranks = gather(rank_line(executable, predicted));
  if (world_.rank() != 0) return "";
  return json_text(nlohmann::json{{"tessera_trace", 1},
                                  {"program", executable.sharded().name},
                                  {"ranks", world_.size()},
                                  {"first_step", first_ + 1},
                                  {"steps", steps_}}) +
         "\n" + ranks;
}

}  // namespace tessera
