#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "launcher/config.h"
#include "launcher/yaml.h"
#include "launcher/yaml_units.h"

namespace tessera {
namespace {

std::string list_text(const std::vector<int64_t>& values) {
  std::vector<std::string> parts;
  for (const int64_t value : values) parts.push_back(std::to_string(value));
  return "[" + join(parts) + "]";
}

std::string option_text(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const auto* word = std::get_if<std::string>(&value)) return quote_yaml(*word);
  if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) return list_text(*list);
  // A number stays a number that is not an integer, so that it reads back as the same kind.
  const std::string text = fmt::format("{}", std::get<double>(value));
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// Lines of a block-style document; the comments start in one column.
class Printer {
 public:
  explicit Printer(const Config& config) : config_(config) {}

  void section(const std::string& path) { lines_.push_back({indent(path) + key(path) + ":", ""}); }

  void value(const std::string& path, const std::string& text) {
    lines_.push_back({indent(path) + key(path) + ": " + text, config_.origin(path)});
  }

  std::string text() const {
    size_t column = 0;
    for (const auto& [line, comment] : lines_)
      if (!comment.empty()) column = std::max(column, std::min<size_t>(line.size(), 56));
    std::string result;
    for (const auto& [line, comment] : lines_) {
      result += line;
      if (!comment.empty())
        result +=
            std::string(line.size() < column ? column - line.size() : 0, ' ') + "  # " + comment;
      result += "\n";
    }
    return result;
  }

 private:
  static std::string key(const std::string& path) {
    return quote_yaml(path.substr(path.rfind('.') + 1));
  }
  static std::string indent(const std::string& path) {
    return std::string(2 * static_cast<size_t>(std::count(path.begin(), path.end(), '.')), ' ');
  }

  const Config& config_;
  std::vector<std::pair<std::string, std::string>> lines_;
};

void print_program(Printer& out, const ProgramConfig& program) {
  out.section("program");
  if (!program.model.empty()) out.value("program.model", quote_yaml(program.model));
  if (!program.file.empty()) out.value("program.file", quote_yaml(program.file));
  for (const auto& [name, value] : program.options)
    out.value("program." + name, option_text(value));
  if (program.dims.empty()) return;
  out.section("program.dims");
  for (const auto& [dim, extent] : program.dims)
    out.value("program.dims." + dim, std::to_string(extent));
}

void print_data(Printer& out, const DataConfig& data) {
  if (!data.has_fields() && data.inputs.empty()) return;
  out.section("data");
  if (!data.set.empty()) out.value("data.set", quote_yaml(data.set));
  if (!data.dir.empty()) out.value("data.dir", quote_yaml(data.dir));
  if (!data.text.empty()) {
    out.value("data.text", quote_yaml(data.text));
    out.value("data.test", fmt::format("{}", data.test));
  }
  if (!data.file.empty()) out.value("data.file", quote_yaml(data.file));
  if (data.of_files() && data.test > 0) out.value("data.test", fmt::format("{}", data.test));
  if (!data.test_file.empty()) out.value("data.test", quote_yaml(data.test_file));
  if (data.batch) out.value("data.batch", std::to_string(*data.batch));
  if (data.limit) out.value("data.limit", std::to_string(*data.limit));
  out.value("data.shuffle", data.shuffle ? "true" : "false");
  if (data.memory) out.value("data.memory", bytes_text(*data.memory));
  if (!data.test_inputs.empty()) out.section("data.test");
  for (const auto& [input, file] : data.test_inputs)
    out.value("data.test." + input, quote_yaml(file));
  if (data.inputs.empty()) return;
  out.section("data.inputs");
  for (const auto& [input, field] : data.inputs)
    out.value("data.inputs." + input, quote_yaml(field));
}

void print_train(Printer& out, const TrainConfig& train) {
  out.section("train");
  if (train.optimizer) out.section("train.optimizer");
  const std::string path = "train.optimizer.";
  const auto number = [&](const std::string& name, double value) {
    out.value(path + name, fmt::format("{}", value));
  };
  if (train.optimizer && std::holds_alternative<SgdConfig>(*train.optimizer)) {
    const auto& sgd = std::get<SgdConfig>(*train.optimizer);
    out.section(path + "sgd");
    number("sgd.lr", sgd.lr);
    number("sgd.momentum", sgd.momentum);
  } else if (train.optimizer) {
    const auto& adam = std::get<AdamConfig>(*train.optimizer);
    out.section(path + "adam");
    number("adam.lr", adam.lr);
    number("adam.beta1", adam.beta1);
    number("adam.beta2", adam.beta2);
    number("adam.epsilon", adam.epsilon);
  }
  if (train.epochs) out.value("train.epochs", std::to_string(*train.epochs));
  if (train.steps) out.value("train.steps", std::to_string(*train.steps));
  out.value("train.seed", std::to_string(train.seed));
  out.value("train.nan", train.stop_at_nan ? "stop" : "continue");
  if (train.debug_nan) out.value("train.debug", "nan");
  if (train.trace.steps == 0) return;
  out.section("train.trace");
  out.value("train.trace.steps", std::to_string(train.trace.steps));
  out.value("train.trace.from", std::to_string(train.trace.from));
}

void print_cluster(Printer& out, const ClusterConfig& cluster) {
  out.section("cluster");
  out.value("cluster.transport", cluster.transport);
  std::vector<std::string> hosts;
  for (const Host& host : cluster.hosts)
    hosts.push_back(fmt::format("{{name: {}, ranks: {}}}", quote_yaml(host.name), host.ranks));
  out.value("cluster.hosts", "[" + join(hosts) + "]");
  out.value("cluster.threads", cluster.threads == 0 ? "auto" : std::to_string(cluster.threads));
  out.value("cluster.timeout", fmt::format("{}", cluster.timeout));
  out.value("cluster.cpu", name_of(cluster.cpu));
  out.value("cluster.device", name_of(cluster.device));
  if (cluster.device != DeviceKind::cpu || cluster.collectives != CollectivesKind::automatic)
    out.value("cluster.collectives", name_of(cluster.collectives));
  if (!cluster.measured.empty()) out.value("cluster.measured", quote_yaml(cluster.measured));
  if (cluster.debug_comm) out.value("cluster.debug_comm", "true");
}

void print_plan(Printer& out, const PlanConfig& plan) {
  out.section("plan");
  std::vector<std::string> axes;
  for (const auto& [axis, size] : plan.mesh) axes.push_back(axis + ": " + std::to_string(size));
  if (plan.file.empty())
    out.value("plan.mesh", axes.empty() ? "auto" : "{" + join(axes) + "}");
  else
    out.value("plan.file", quote_yaml(plan.file));
  if (plan.memory) out.value("plan.memory", bytes_text(*plan.memory));
  if (plan.budget != BudgetConfig()) out.section("plan.budget");
  if (plan.budget.time) out.value("plan.budget.time", fmt::format("{} s", *plan.budget.time));
  if (plan.budget.communication)
    out.value("plan.budget.communication", bytes_text(*plan.budget.communication));
  if (plan.budget.memory) out.value("plan.budget.memory", bytes_text(*plan.budget.memory));
  if (plan.pins.empty()) return;
  out.section("plan.pins");
  for (const auto& [tensor, dims] : plan.pins) {
    std::vector<std::string> parts;
    for (const auto& [dim, names] : dims)
      parts.push_back(dim + ": " +
                      (names.size() == 1 ? quote_yaml(names[0]) : "[" + join(names) + "]"));
    out.value("plan.pins." + tensor, "{" + join(parts) + "}");
  }
}

void print_weights(Printer& out, const WeightsConfig& weights) {
  if (weights.file.empty()) return;
  out.section("weights");
  out.value("weights.file", quote_yaml(weights.file));
  std::vector<std::string> rules;
  for (const std::string& rule : weights.rename) rules.push_back(quote_yaml(rule));
  if (!rules.empty()) out.value("weights.rename", "[" + join(rules) + "]");
}

void print_state(Printer& out, const CheckpointConfig& checkpoint, const RestartConfig& restart,
                 const ResumeConfig& resume) {
  if (checkpoint.on) {
    out.section("checkpoint");
    out.value("checkpoint.dir", quote_yaml(checkpoint.dir));
    out.value("checkpoint.every", checkpoint.every_steps > 0
                                      ? fmt::format("{} steps", checkpoint.every_steps)
                                      : fmt::format("{} s", checkpoint.every_seconds));
    out.value("checkpoint.keep", std::to_string(checkpoint.keep));
  }
  if (restart.limit > 0) {
    out.section("restart");
    out.value("restart.limit", std::to_string(restart.limit));
    out.value("restart.backoff", fmt::format("{} s", restart.backoff));
  }
  if (resume.newest) out.value("resume", "true");
  if (!resume.path.empty()) out.value("resume", quote_yaml(resume.path));
}

}  // namespace

std::string print_config(const Config& config) {
  Printer out(config);
  print_program(out, config.program);
  print_data(out, config.data);
  print_train(out, config.train);
  print_cluster(out, config.cluster);
  print_plan(out, config.plan);
  print_weights(out, config.weights);
  print_state(out, config.checkpoint, config.restart, config.resume);
  out.section("output");
  out.value("output.dir", quote_yaml(config.output.dir));
  if (config.output.tensorboard) out.value("output.tensorboard", "true");
  return out.text();
}

}  // namespace tessera
