#include "launcher/config_sections.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "launcher/yaml_units.h"

namespace tessera::internal {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 40;
constexpr int64_t kTraceSteps = 5;

int64_t extent(const YamlNode& node) {
  return node.as_int(1, kMaxExtent);
}

OptionValue option(const YamlNode& node) {
  if (node.kind() == YamlNode::Kind::sequence) {
    std::vector<int64_t> list;
    for (const YamlNode& item : node.items())
      list.push_back(item.as_int(std::numeric_limits<int64_t>::min() + 1,
                                 std::numeric_limits<int64_t>::max()));
    return list;
  }
  if (node.kind() != YamlNode::Kind::scalar)
    node.fail("must be a number, true, false, a word or a list of integers, found " + node.found());
  if (node.is_bool()) return node.as_bool();
  if (node.is_int())
    return node.as_int(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  if (node.is_number()) return node.as_number();
  std::string word = node.as_string();
  const bool quoted = !node.is_word(word);
  if (!quoted && word.find_first_of("0123456789+-") == 0) return node.as_number();
  return word;
}

void read_dims(ConfigReader& reader, const YamlNode& program) {
  const auto dims = program.find("dims");
  if (!dims) return;
  for (const auto& [key, node] : dims->entries()) {
    reader.config.program.dims[name_of_thing(*dims, key)] = extent(node);
    reader.note(node);
  }
}

SgdConfig read_sgd(ConfigReader& reader, const YamlNode& node) {
  SgdConfig sgd;
  node.allow_keys({"lr", "momentum"});
  reader.read(node, "lr", sgd.lr, [](const YamlNode& n) { return n.as_positive_number(); });
  reader.read(node, "momentum", sgd.momentum, [](const YamlNode& n) { return n.as_fraction(); });
  return sgd;
}

AdamConfig read_adam(ConfigReader& reader, const YamlNode& node) {
  AdamConfig adam;
  node.allow_keys({"lr", "beta1", "beta2", "epsilon"});
  reader.read(node, "lr", adam.lr, [](const YamlNode& n) { return n.as_positive_number(); });
  reader.read(node, "beta1", adam.beta1, [](const YamlNode& n) { return n.as_fraction(); });
  reader.read(node, "beta2", adam.beta2, [](const YamlNode& n) { return n.as_fraction(); });
  reader.read(node, "epsilon", adam.epsilon,
              [](const YamlNode& n) { return n.as_positive_number(); });
  return adam;
}

void read_optimizer(ConfigReader& reader, const YamlNode& node) {
  node.allow_keys({"sgd", "adam"});
  const auto kinds = node.entries();
  if (kinds.size() != 1)
    node.fail("must name one optimizer, sgd or adam, found " + std::to_string(kinds.size()) +
              "; for example {sgd: {lr: 0.1}}");
  reader.note(node);
  const auto& [name, settings] = kinds[0];
  if (name == "sgd")
    reader.config.train.optimizer = read_sgd(reader, settings);
  else
    reader.config.train.optimizer = read_adam(reader, settings);
}

std::vector<std::pair<std::string, int64_t>> read_mesh(const YamlNode& node) {
  if (node.is_word("auto")) return {};
  if (node.kind() != YamlNode::Kind::map || node.entries().empty())
    node.fail("must be auto or axes with sizes such as {data: 2, model: 2}, found " +
              (node.kind() == YamlNode::Kind::map ? "an empty map" : node.found()));
  std::vector<std::pair<std::string, int64_t>> mesh;
  int64_t devices = 1;
  for (const auto& [axis, size] : node.entries()) {
    mesh.emplace_back(name_of_thing(node, axis), size.as_int(1, kMaxRanks));
    devices *= mesh.back().second;
    if (devices > kMaxRanks) node.fail("has more than " + std::to_string(kMaxRanks) + " devices");
  }
  return mesh;
}

std::vector<std::string> read_axes(const YamlNode& node, const std::vector<std::string>& known) {
  std::vector<YamlNode> items = {node};
  if (node.kind() == YamlNode::Kind::sequence) items = node.items();
  std::vector<std::string> axes;
  for (const YamlNode& item : items) {
    const std::string axis = item.as_string();
    if (!known.empty() && std::find(known.begin(), known.end(), axis) == known.end())
      item.fail("names the mesh axis `" + axis + "`; plan.mesh has " + join(known) +
                did_you_mean(axis, known));
    if (std::find(axes.begin(), axes.end(), axis) != axes.end())
      item.fail("names the mesh axis `" + axis + "` twice");
    axes.push_back(axis);
  }
  return axes;
}

PinsConfig read_pins(ConfigReader& reader, const YamlNode& node) {
  std::vector<std::string> known;
  for (const auto& [axis, size] : reader.config.plan.mesh) known.push_back(axis);
  PinsConfig pins;
  for (const auto& [tensor, dims] : node.entries()) {
    for (const auto& [dim, axes] : dims.entries()) {
      pins[name_of_thing(node, tensor)][name_of_thing(dims, dim)] = read_axes(axes, known);
      reader.note(axes);
    }
    reader.note(dims);
  }
  return pins;
}

// `trace: {steps: 5, from: 3}`; one that is there without steps has five.
void read_trace(ConfigReader& reader, const YamlNode& node) {
  TraceConfig& trace = reader.config.train.trace;
  node.allow_keys({"steps", "from"});
  trace.steps = kTraceSteps;
  reader.read(node, "steps", trace.steps, [](const YamlNode& n) { return n.as_int(0, 1000); });
  reader.read(node, "from", trace.from, [](const YamlNode& n) { return n.as_int(1, kMaxExtent); });
}

void read_budget(ConfigReader& reader, const YamlNode& node) {
  BudgetConfig& budget = reader.config.plan.budget;
  node.allow_keys({"time", "communication", "memory"});
  reader.read(node, "time", budget.time, seconds_of);
  reader.read(node, "communication", budget.communication, bytes_of);
  reader.read(node, "memory", budget.memory, bytes_of);
}

}  // namespace

void read_program(ConfigReader& reader, const YamlNode& node) {
  ProgramConfig& program = reader.config.program;
  const bool has_file = node.find("file").has_value();
  if (has_file == node.find("model").has_value())
    node.fail(std::string("must have ") + (has_file ? "only one" : "one") +
              " of `model` (a model's name) and `file` (a .tess file)");
  read_dims(reader, node);
  if (has_file) {
    node.allow_keys({"file", "dims"});
    reader.read(node, "file", program.file, [&](const YamlNode& n) { return reader.existing(n); });
    return;
  }
  for (const auto& [key, value] : node.entries()) {
    if (key == "dims") continue;
    if (key == "model") {
      program.model = value.as_string();
    } else {
      program.options[name_of_thing(node, key)] = option(value);
    }
    reader.note(value);
  }
}

void read_train(ConfigReader& reader, const YamlNode& node) {
  TrainConfig& train = reader.config.train;
  node.allow_keys({"optimizer", "epochs", "steps", "seed", "nan", "debug", "trace"});
  if (const auto optimizer = node.find("optimizer")) read_optimizer(reader, *optimizer);
  reader.read(node, "epochs", train.epochs, [](const YamlNode& n) { return n.as_int(1, 1000000); });
  reader.read(node, "steps", train.steps, steps_of);
  reader.read(node, "seed", train.seed,
              [](const YamlNode& n) { return n.as_int(0, std::numeric_limits<int64_t>::max()); });
  reader.read(node, "nan", train.stop_at_nan, [](const YamlNode& n) {
    return n.as_choice({"stop", "continue"}) == "stop";
  });
  reader.read(node, "debug", train.debug_nan, [](const YamlNode& n) {
    return n.as_choice({"nan", "off"}) == "nan";
  });
  if (const auto trace = node.find("trace")) read_trace(reader, *trace);
}

void read_plan(ConfigReader& reader, const YamlNode& node) {
  PlanConfig& plan = reader.config.plan;
  node.allow_keys({"mesh", "memory", "pins", "file", "budget"});
  reader.read(node, "mesh", plan.mesh, read_mesh);
  reader.read(node, "memory", plan.memory, bytes_of);
  reader.read(node, "file", plan.file, [&](const YamlNode& n) { return reader.existing(n); });
  if (const auto pins = node.find("pins")) plan.pins = read_pins(reader, *pins);
  if (const auto budget = node.find("budget")) read_budget(reader, *budget);
  if (!plan.file.empty() && !plan.mesh.empty())
    node.fail_key("mesh", "cannot be combined with plan.file, which has its own mesh; remove one");
  if (!plan.file.empty() && !plan.pins.empty())
    node.fail_key("pins", "cannot be combined with plan.file, which has its own pins; remove one");
}

}  // namespace tessera::internal
