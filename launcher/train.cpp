#include "launcher/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "ir/normalize.h"
#include "ir/stack_loops.h"
#include "launcher/array_text.h"
#include "launcher/budget.h"
#include "launcher/data.h"
#include "launcher/evaluation.h"
#include "launcher/feeds.h"
#include "launcher/host_cluster.h"
#include "launcher/json_text.h"
#include "launcher/median.h"
#include "launcher/metrics_log.h"
#include "launcher/planning.h"
#include "launcher/programs.h"
#include "launcher/progress_target.h"
#include "launcher/ranks.h"
#include "launcher/resume.h"
#include "launcher/run_folder.h"
#include "launcher/run_outputs.h"
#include "launcher/standard_streams.h"
#include "launcher/statements.h"
#include "launcher/task_times.h"
#include "launcher/tracing.h"
#include "launcher/versions.h"
#include "launcher/weights.h"
#include "placement/predict.h"
#include "runtime/executable.h"
#include "runtime/finite_check.h"

namespace tessera {
namespace {

double seconds_since(double start) {
  return seconds_of_clock() - start;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// One rank's part of a training job.
class Trainer {
 public:
  Trainer(const Config& config, Communicator& world, const TrainOptions& options)
      : config_(config),
        world_(world),
        options_(options),
        threads_(config.cluster.threads > 0 ? config.cluster.threads
                                            : threads_per_rank(world.size())),
        compiler_(CompilerOptions{.worker_threads = threads_, .level = config.cluster.cpu}),
        device_(open_device(
            device_request(config.cluster.device, config.cluster.collectives, threads_, world),
            compiler_, world)) {}

  TrainResult run() {
    if (options_.started > 0) result_.startup["launch"] = now_seconds() - options_.started;
    const DataLoaders loaders = data_loaders(config_);
    std::future<DatasetPtr> loading = std::async(std::launch::async, loaders.train);
    build();
    const double waits = seconds_of_clock();
    const DatasetPtr data = loading.get();
    require_agreement(world_, [&] { return std::vector{statement_of(*data)}; });
    result_.startup["data"] = seconds_since(waits);
    std::future<DatasetPtr> loading_test = std::async(std::launch::async, loaders.test);
    Feeds feeds(normal_, config_, data, Order::shuffled);
    const int64_t per_epoch = feeds.steps_per_epoch();
    const int64_t total = total_steps(per_epoch);
    feeds.end_at(total);
    begin_state(*data, per_epoch, batch_of(normal_));
    say_what_is_left_over(*data, feeds);
    const ProgressTarget target = visible_progress();
    Progress progress("train", total, target.style, target.write);
    for (int64_t step = first_; step < total; ++step) {
      if (tracing_) tracing_->before(step, *executable_);
      train_step(feeds, step, progress);
      if (checkpointing_) {
        const double begin = seconds_of_clock();
        leave_on_signal(step + 1, progress);
        traced("checkpoint", begin);
      }
      if ((step + 1) % per_epoch == 0 || step + 1 == total) {
        const double begin = seconds_of_clock();
        if (loading_test.valid()) take_test_data(loading_test.get());
        evaluate(step + 1, (step + per_epoch) / per_epoch, progress);
        traced("evaluate", begin);
      }
      if (tracing_ && tracing_->after(step, *executable_)) keep_trace();
    }
    progress.finish();
    if (tracing_ && tracing_->recording()) keep_trace();
    if (reports() && first_ < total)
      folder_->write("tasks.json", task_times_.json(executable_->executor().graph(), prices()));
    finish_state(std::max(first_, total));
    if (first_ < total)
      result_.outputs = keep_outputs(*executable_, normal_, folder_ ? &*folder_ : nullptr);
    const std::string model = folder_ ? folder_->file("model.safetensors") : "";
    save_weights(*executable_, world_, evaluation_program(config_), model);
    result_.steps = std::max<int64_t>(0, total - first_);
    result_.resumed = first_;
    result_.seconds_per_step = median_of(step_seconds_);
    result_.ranks = world_.size();
    return result_;
  }

 private:
  bool reports() const { return world_.rank() == 0; }

  // Only rank 0 speaks, and only to people.
  ProgressTarget visible_progress() const {
    if (reports() && !options_.quiet) return progress_target();
    return {{}, [](const std::string&) {}};
  }

  void build() {
    const double start = seconds_of_clock();
    const Program program = training_program(config_);
    if (!config_.weights.file.empty()) check_weights(program, config_.weights, {});
    require_agreement(world_, [&] {
      return std::vector{statement_of_build(config_.cluster.cpu), statement_of(config_),
                         statement_of(program)};
    });
    normal_ = stack_loops(normalize(program));
    find_first_step();
    cluster_ = cluster_of_job(world_, config_.cluster.measured);
    comm_cost_.emplace(cluster_);
    const Plan plan = share_plan(world_, [&] {
      if (resumed_)
        if (std::optional<Plan> kept =
                plan_to_keep(*resumed_, normal_, planning_text(config_, threads_)))
          return within_budget(*kept);
      return within_budget(plan_here(normal_, cluster_, plan_settings(config_, threads_)));
    });
    result_.plan_hash = plan_hash(plan);
    result_.planned_seconds = plan.predicted.seconds;
    result_.startup["plan"] = seconds_since(start);
    const double compiles = seconds_of_clock();
    if (reports()) open_folder(plan);
    executable_.emplace(normal_, plan, compiler_, world_, executable_options());
    give_first_values();
    result_.startup["compile"] = seconds_since(compiles);
  }

  Plan within_budget(Plan plan) const {
    if (config_.plan.budget == BudgetConfig()) return plan;
    check_budget(budget_of(
        config_,
        predict(normal_, plan, cluster_, kernel_seconds_here(plan_settings(config_, threads_)))));
    return plan;
  }

  ExecutableOptions executable_options() const {
    return {threads_, &*comm_cost_, config_.train.debug_nan, device_};
  }

  TaskPrices prices() const {
    return {machine_facts(config_.cluster.cpu), threads_, executable_->plan().mesh, &*comm_cost_};
  }

  void traced(const char* what, double begin) {
    if (tracing_) tracing_->span(what, begin, seconds_of_clock());
  }

  void keep_trace() {
    Tracing::Predicted predicted;
    if (reports())
      predicted = [prices = prices()](const Task& task) { return predicted_seconds(task, prices); };
    const std::string text = tracing_->take(*executable_, predicted);
    if (reports()) folder_->write("trace.jsonl", text);
  }

  void give_first_values() {
    if (resumed_) return load_state(*executable_, *resumed_);
    executable_->initialize(static_cast<uint64_t>(config_.train.seed));
    if (!config_.weights.file.empty())
      load_weights(*executable_, config_.weights, {}, options_.quiet);
  }

  void find_first_step() {
    if (config_.checkpoint.on) checkpointing_.emplace(config_.checkpoint, world_);
    resumed_ = find_state(world_, config_);
    if (resumed_) first_ = resumed_->manifest.step;
    if (config_.train.trace.steps > 0)
      tracing_.emplace(TraceConfig{config_.train.trace.steps, first_ + config_.train.trace.from},
                       world_);
    const bool same_place = resumed_ && (config_.resume.newest || in_folder(resumed_->folder));
    if (checkpointing_)
      checkpointing_->require_no_others(same_place ? std::optional(first_) : std::nullopt);
  }

  // Is it one of the job's own checkpoints?
  bool in_folder(const std::string& checkpoint) const {
    namespace fs = std::filesystem;
    std::error_code ignored;
    return fs::equivalent(fs::path(checkpoint).parent_path(), config_.checkpoint.dir, ignored);
  }

  // Checkpoints begin, and what differs from the one that the job goes on from is said.
  void begin_state(const Dataset& data, int64_t per_epoch, int64_t batch) {
    if (!checkpointing_ && !resumed_) return;
    const std::string content = hex(hash_bytes(statement_of(data).text));
    const auto seed = static_cast<uint64_t>(config_.train.seed);
    if (resumed_ && reports() && !options_.quiet)
      print_err("{}\n\n", resume_text(*resumed_, *executable_, seed, content));
    if (!checkpointing_) return;
    const std::string planning = planning_text(config_, threads_);
    checkpointing_->begin(*executable_, first_, [=](int64_t step) {
      const DataPosition at{step / per_epoch, step % per_epoch, step * batch, content};
      return CheckpointFacts{step, seed, at, planning};
    });
  }

  void leave_on_signal(int64_t step, Progress& progress) {
    const int signal = checkpointing_->after_step(step, step_seconds_.back());
    if (signal == 0) return;
    progress.finish();
    throw Error(
        fmt::format("stopped by signal {} ({}) after step {}; its state is kept in {}: run "
                    "the same with --resume to go on from there",
                    signal, strsignal(signal), step, checkpointing_->dir()));
  }

  void finish_state(int64_t step) {
    if (!checkpointing_) return;
    checkpointing_->finish(step);
    result_.checkpoints = checkpointing_->cost();
    result_.checkpoint_dir = checkpointing_->dir();
  }

  void open_folder(const Plan& plan) {
    folder_.emplace(RunFolder::create(config_.output.dir));
    log_.emplace(*folder_, config_.output.tensorboard);
    result_.folder = folder_->path();
    folder_->write("config.yaml", print_config(config_));
    folder_->write("environment.json", environment_json(library_versions()));
    folder_->write("plan.yaml", to_text(plan));
    const std::string text =
        explain_here(normal_, plan, plan_settings(config_, threads_), cluster_);
    folder_->write("plan.txt", text);
    if (options_.quiet) return;
    const std::string summary = text.substr(0, text.find("\n\n"));
    print_err("{}\n  where everything lives, and why: {}\n\n", summary, folder_->file("plan.txt"));
  }

  int64_t total_steps(int64_t per_epoch) const {
    const TrainConfig& train = config_.train;
    int64_t total = train.steps.value_or(INT64_MAX);
    if (train.epochs || !train.steps) total = std::min(total, per_epoch * train.epochs.value_or(1));
    return total;
  }

  void train_step(Feeds& feeds, int64_t step, Progress& progress) {
    const double start = seconds_of_clock();
    feeds.feed(*executable_, step);
    traced("feed", start);
    const double runs = seconds_of_clock();
    result_.feed_seconds += runs - start;
    run_step(*executable_, fmt::format("step {}", step + 1));
    traced("step", runs);
    const double asks = seconds_of_clock();
    std::map<std::string, nlohmann::json> values;
    std::map<std::string, double> odd;  // NaN or infinite
    std::optional<double> loss;
    for (const std::string& name : scalar_outputs(normal_)) {
      const Array value = executable_->output(name);
      values[name] = element_json(value, 0);
      if (name == "loss") loss = value.get(0);
      if (is_float(value.type) && !std::isfinite(value.get(0))) odd[name] = value.get(0);
    }
    const double seconds = seconds_since(start);
    if (step == first_) result_.startup["step"] = seconds;
    if (step == first_ && options_.started > 0)
      result_.first_step_seconds = now_seconds() - options_.started;
    if (world_.activity() != nullptr) world_.activity()->step(step + 1);
    step_seconds_.push_back(seconds);
    result_.train_seconds += seconds;
    if (loss) result_.loss = *loss;
    if (reports()) {
      task_times_.add(executable_->executor().times());
      log_->step(step + 1, values, seconds);
      progress.update(step + 1, loss);
    }
    traced("outputs", asks);
    if (!odd.empty()) note_nan(step + 1, odd, progress);
  }

  // With train.debug: nan, a NaN or infinity that a task makes ends the job here.
  static void run_step(Executable& executable, const std::string& what) {
    try {
      executable.run();
    } catch (const NotFinite& error) {
      throw NotFinite(what + ": " + error.what());
    }
  }

  // Outputs are the same on every rank, so all of them stop here.
  void note_nan(int64_t step, const std::map<std::string, double>& odd, Progress& progress) {
    const auto loss = odd.find("loss");
    if (loss != odd.end() && config_.train.stop_at_nan)
      throw Error(fmt::format(
          "the loss is {} at step {}, so the parameters are no longer of use; lower the learning "
          "rate, or look for a log, a root or a division of 0 in the program (train.debug=nan "
          "shows where it begins; train.nan: continue goes on)",
          loss->second, step));
    if (loss != odd.end() && !result_.nan_step) result_.nan_step = step;
    for (const auto& [name, value] : odd) {
      if (!warned_.insert(name).second || !reports()) continue;
      const std::string text = fmt::format(
          "tessera: warning: output `{}` is {} at step {}, and training goes on; train.debug=nan "
          "stops where it begins",
          name, value, step);
      if (options_.quiet)
        print_err("{}\n", text);
      else
        progress.say(text);
    }
  }

  void take_test_data(DatasetPtr data) {
    test_ = std::move(data);
    if (test_) require_agreement(world_, [&] { return std::vector{statement_of(*test_)}; });
  }

  // The metrics of the test set with the parameters as they are now.
  void evaluate(int64_t step, int64_t epoch, Progress& progress) {
    if (!test_) return;
    if (!evaluation_) prepare_evaluation(progress);
    std::map<std::string, double> sums;
    try {
      sums = evaluation_->run(*executable_);
    } catch (const NotFinite& error) {
      throw NotFinite(fmt::format("testing after step {}: {}", step, error.what()));
    }
    result_.metrics = sums;
    if (!reports()) return;
    log_->test(step, epoch, sums);
    std::string text = fmt::format("epoch {}: test", epoch);
    for (const auto& [name, value] : sums) text += fmt::format(" {} {:.4f}", name, value);
    progress.say(text);
  }

  void prepare_evaluation(Progress& progress) {
    PlanSettings settings = plan_settings(config_, threads_);
    settings.file.clear();
    settings.pins.clear();  // they name the training step's tensors
    const Evaluation::Options options{2 * batch_of(normal_), cluster_, settings,
                                      executable_options()};
    evaluation_.emplace(config_, test_, options, compiler_, world_);
    if (reports() && evaluation_->has_rest()) progress.say("testing: " + evaluation_->text());
  }

  // Examples that fill no batch: of a shuffled set they wait for another epoch, otherwise the last
  // batch is filled up with the last example.
  void say_what_is_left_over(const Dataset& data, const Feeds& feeds) {
    const int64_t batches = feeds.steps_per_epoch();
    const int64_t left = data.examples - batches * feeds.batch();
    result_.left_over = std::max<int64_t>(0, left);
    if (left == 0 || !reports() || options_.quiet) return;
    print_err("data: {} examples are {} batches of {} an epoch; {}\n\n", grouped(data.examples),
              grouped(batches), grouped(feeds.batch()),
              left > 0 ? grouped(left) + " are left over, others in each epoch"
                       : "the last one holds the last example " + grouped(1 - left) + " times");
  }

  const Config& config_;
  Communicator& world_;
  const TrainOptions options_;
  const int threads_;
  Compiler compiler_;
  const std::shared_ptr<ComputeDevice> device_;
  Cluster cluster_;  // that the ranks make up
  std::optional<ClusterCommCost> comm_cost_;
  Program normal_{"none"};
  std::optional<Executable> executable_;
  std::optional<Evaluation> evaluation_;
  DatasetPtr test_;
  std::optional<RunFolder> folder_;  // of rank 0
  std::optional<MetricsLog> log_;
  TaskTimes task_times_;
  std::optional<Tracing> tracing_;
  std::set<std::string> warned_;  // outputs that were NaN or infinite
  std::optional<FoundCheckpoint> resumed_;
  int64_t first_ = 0;  // steps that were done before
  std::optional<Checkpointing> checkpointing_;
  std::vector<double> step_seconds_;
  TrainResult result_;
};

}  // namespace

TrainResult train(const Config& config, Communicator& world, const TrainOptions& options) {
  return Trainer(config, world, options).run();
}

}  // namespace tessera
