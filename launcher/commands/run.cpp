#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/units.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/mpirun_command.h"
#include "launcher/ranks.h"
#include "launcher/standard_streams.h"
#include "launcher/train.h"
#include "launcher/yaml.h"

namespace tessera {
namespace {

struct RunArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::optional<CpuLevel> cpu;
  std::optional<DeviceKind> device;
  WeightsConfig weights;
  std::string resume;
  std::string trace;
  std::string hosts;
  bool debug_comm = false;
  bool json = false;
  bool print_config = false;
};

// Of the time that training took.
double share(const CheckpointCost& cost, const TrainResult& result) {
  const double all = result.train_seconds + cost.waited_seconds;
  return all > 0 ? (cost.waited_seconds + cost.slowdown_seconds) / all : 0;
}

nlohmann::json to_json(const CheckpointCost& cost, const TrainResult& result) {
  return {{"dir", result.checkpoint_dir},
          {"written", cost.written},
          {"last_step", cost.last_step},
          {"bytes", cost.bytes},
          {"waited_seconds", cost.waited_seconds},
          {"steps_beside", cost.steps_beside},
          {"slowdown_seconds", cost.slowdown_seconds},
          {"last_seconds", cost.last_seconds},
          {"share", share(cost, result)}};
}

nlohmann::json to_json(const TrainResult& result) {
  nlohmann::json json = {{"loss", result.loss},
                         {"steps", result.steps},
                         {"left_over", result.left_over},
                         {"seconds_per_step", result.seconds_per_step},
                         {"planned_seconds_per_step", result.planned_seconds},
                         {"train_seconds", result.train_seconds},
                         {"feed_seconds", result.feed_seconds},
                         {"first_step_seconds", result.first_step_seconds},
                         {"startup", result.startup},
                         {"ranks", result.ranks},
                         {"plan_hash", result.plan_hash},
                         {"outputs", result.outputs},
                         {"folder", result.folder}};
  if (result.resumed > 0) json["resumed"] = result.resumed;
  if (result.checkpoints) json["checkpoints"] = to_json(*result.checkpoints, result);
  if (result.nan_step) json["nan_step"] = *result.nan_step;
  for (const auto& [name, value] : result.metrics)
    json[name == "loss" ? "test_loss" : name] = value;
  return json;
}

void print_checkpoints(const CheckpointCost& cost, const TrainResult& result) {
  const std::string last =
      cost.written > 0 ? fmt::format(", the last of step {}", cost.last_step) : "";
  print_out(
      "checkpoints: {} of {} in {}{}; training waited {} for them, and the {} steps beside them "
      "took "
      "{} longer: {:.1f} % of its time. The end waited {}\n",
      cost.written, human_bytes(cost.bytes), result.checkpoint_dir, last,
      human_seconds(cost.waited_seconds), cost.steps_beside, human_seconds(cost.slowdown_seconds),
      100 * share(cost, result), human_seconds(cost.last_seconds));
}

void print_result(const TrainResult& result) {
  std::string text = fmt::format(
      "trained {} steps on {} rank{} in {:.1f} s ({:.2f} ms a step, {:.2f} by the plan)",
      result.steps, result.ranks, result.ranks == 1 ? "" : "s", result.train_seconds,
      1e3 * result.seconds_per_step, 1e3 * result.planned_seconds);
  for (const auto& [name, value] : result.metrics)
    text += fmt::format(", test {} {:.4f}", name, value);
  if (result.nan_step) text += fmt::format(", loss not finite since step {}", *result.nan_step);
  print_out(
      "{}\nfirst step done {:.2f} s after the command; plan, config, metrics and model in {}\n",
      text, result.first_step_seconds, result.folder);
  if (result.steps == 0)
    print_out("nothing was left to train after step {}: raise train.steps or train.epochs\n",
              result.resumed);
  if (result.checkpoints) print_checkpoints(*result.checkpoints, result);
  if (!result.outputs.empty())
    print_out("outputs of the last step beside them: {}\n", join(result.outputs));
}

// When the command began: on a rank that mpirun started, when its parent began.
double started(const CommandLine& line) {
  const char* inherited = std::getenv(kStartedVariable);
  return inherited != nullptr ? std::atof(inherited) : line.started;
}

// Where the number of ranks was given, if it was.
std::string asked_by(const Config& config) {
  const std::string path = "cluster.hosts";  // of cluster.ranks, too
  return config.origins.count(path) == 0 ? "" : config.origin(path) + ": cluster.ranks";
}

// Options that stand for values of the file.
void add_overrides(std::vector<std::string>& overrides, const WeightsConfig& weights) {
  if (!weights.file.empty()) overrides.push_back("weights.file=" + quote_yaml(weights.file));
  std::vector<std::string> rules;
  for (const std::string& rule : weights.rename) rules.push_back(quote_yaml(rule));
  if (!rules.empty()) overrides.push_back("weights.rename=[" + join(rules) + "]");
}

// Of --host.
std::string hosts_override(const std::string& text) {
  std::vector<std::string> items;
  for (const Host& host : parse_hosts(text, "--host"))
    items.push_back(fmt::format("{{name: {}, ranks: {}}}", quote_yaml(host.name), host.ranks));
  return "cluster.hosts=[" + join(items) + "]";
}

// `--resume PATH` looks like `--resume` and an override without `=`.
void add_resume(std::vector<std::string>& overrides, std::string resume) {
  if (resume.empty()) return;
  const auto path = std::find_if(overrides.begin(), overrides.end(), [](const std::string& word) {
    return word.find('=') == std::string::npos;
  });
  if (resume == "true" && path != overrides.end()) {
    resume = *path;
    overrides.erase(path);
  }
  overrides.push_back("resume=" + (resume == "true" ? resume : quote_yaml(resume)));
}

int run(const RunArguments& arguments, const CommandLine& line) {
  std::vector<std::string> overrides = arguments.overrides;
  if (arguments.cpu) overrides.push_back("cluster.cpu=" + name_of(*arguments.cpu));
  if (arguments.device) overrides.push_back("cluster.device=" + name_of(*arguments.device));
  add_resume(overrides, arguments.resume);
  if (!arguments.trace.empty()) overrides.push_back("train.trace.steps=" + arguments.trace);
  add_overrides(overrides, arguments.weights);
  if (!arguments.hosts.empty()) overrides.push_back(hosts_override(arguments.hosts));
  if (arguments.debug_comm) overrides.push_back("cluster.debug_comm=true");
  if (const char* restart = std::getenv(kRestartVariable)) {
    overrides.push_back("resume=true");
    // The mesh was for more ranks.
    if (std::string(restart) == kReplanned) overrides.push_back("plan.mesh=auto");
  }
  const Config config = load_config(arguments.config, overrides);
  if (arguments.print_config) {
    print_out("{}", print_config(config));
    return kDone;
  }
  const double began = started(line);
  setenv(kStartedVariable, fmt::format("{:.6f}", began).c_str(), 1);
  const RanksOptions options{config.cluster.hosts,
                             config.cluster.transport,
                             config.cluster.timeout,
                             line.argv,
                             asked_by(config),
                             config.checkpoint.on,
                             config.cluster.debug_comm,
                             {config.restart.limit, config.restart.backoff, config.checkpoint.dir}};
  return run_on_ranks(options, [&](Communicator& world) {
    const TrainResult result = train(config, world, {began, arguments.json});
    if (world.rank() != 0) return;
    if (arguments.json) {
      print_out("{}\n", json_text(to_json(result)));
    } else {
      print_result(result);
    }
  });
}

}  // namespace

void add_run_command(CLI::App& app, const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand(
      "run", "Train as a YAML file says: launch the ranks, plan, compile, train, report");
  command->add_option("CONFIG", arguments->config, "the job, as YAML")->required();
  command->add_option("OVERRIDE", arguments->overrides,
                      "values that replace the file's, as train.epochs=2 cluster.ranks=4");
  add_weights_options(*command, arguments->weights);
  command->add_flag("--resume{true}", arguments->resume,
                    "go on from the newest checkpoint of the job, or with --resume=PATH from that "
                    "one (resume: true or PATH)");
  add_cpu_option(*command, arguments->cpu);
  add_device_option(*command, arguments->device);
  command->add_flag("--trace{5}", arguments->trace,
                    "record what each rank does in 5 steps, or with --trace=N in N, for `tessera "
                    "trace` (train.trace)");
  command->add_option("--host", arguments->hosts,
                      "where ranks run, as node1:2,node2:2 (cluster.hosts)");
  command->add_flag("--debug-comm", arguments->debug_comm,
                    "before each collective, compare what it is for on all ranks "
                    "(cluster.debug_comm)");
  command->add_flag("--json", arguments->json,
                    "print one JSON object on standard output, and no progress");
  command->add_flag("--print-config", arguments->print_config,
                    "print the resolved config, with the origin of each value, and stop");
  command->callback([=, &line, &action] { action = [=, &line] { return run(*arguments, line); }; });
}

}  // namespace tessera
