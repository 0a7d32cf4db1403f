#include "launcher/programs.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/parse.h"
#include "models/optimizers.h"
#include "models/registry.h"

namespace tessera {
namespace {

Optimizer make_optimizer(const std::variant<SgdConfig, AdamConfig>& config) {
  if (const SgdConfig* c = std::get_if<SgdConfig>(&config)) return sgd(c->lr, c->momentum);
  const AdamConfig& c = std::get<AdamConfig>(config);
  return adam({c.lr, c.beta1, c.beta2, c.epsilon});
}

ModelOptions model_options(const Config& config, std::optional<int64_t> batch) {
  ModelOptions options;
  for (const auto& [key, value] : config.program.options) {
    if (const int64_t* number = std::get_if<int64_t>(&value)) {
      options[key] = {*number};
    } else if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) {
      options[key] = *list;
    } else {
      throw UserError(SourceLocation(config.origin("program." + key), 0),
                      "option `" + key + "` of model `" + config.program.model +
                          "` takes a whole number or a list of them");
    }
  }
  for (const auto& [dim, extent] : config.program.dims) options[dim] = {extent};
  if (config.data.batch) options["batch"] = {*config.data.batch};
  if (batch) options["batch"] = {*batch};
  return options;
}

Program file_program(const Config& config, std::optional<int64_t> batch) {
  std::map<std::string, int64_t> dims = config.program.dims;
  if (config.data.batch) dims["batch"] = *config.data.batch;
  if (batch) dims["batch"] = *batch;
  return parse_file(config.program.file, dims);
}

// What `optimizer` does to the parameters that the program does not update itself.
Optimizer for_the_rest(const Optimizer& optimizer, const SourceLocation& where) {
  return [=](Program& program, const std::vector<ParameterGradient>& gradients) {
    std::set<Tensor> updated;
    for (const Update& update : program.updates()) updated.insert(update.target);
    std::vector<ParameterGradient> rest;
    for (const ParameterGradient& each : gradients)
      if (updated.count(each.parameter) == 0) rest.push_back(each);
    if (rest.empty())
      throw UserError(where, "program `" + program.name() +
                                 "` updates every parameter that its `loss` depends on itself, and "
                                 "the config has a train.optimizer; remove one of the two");
    optimizer(program, rest);
  };
}

// The program's own updates, and those of the configured optimizer for all other parameters.
void add_optimizer(Program& program, const Config& config) {
  if (!config.train.optimizer) {
    if (program.updates().empty())
      throw UserError(program.where(),
                      "program `" + program.name() +
                          "` updates nothing, so there is nothing to train: add `update` lines, or "
                          "a `train.optimizer` to the config, which minimizes its `loss`");
    return;
  }
  const std::optional<Tensor> loss = program.find("loss");
  if (!loss)
    throw UserError(program.where(),
                    "train.optimizer minimizes the definition `loss`, which "
                    "program `" +
                        program.name() + "` does not have");
  program.minimize(*loss, for_the_rest(make_optimizer(*config.train.optimizer), program.where()),
                   program.where());
}

// What data.inputs names are inputs of the program.
void check_data_inputs(const Program& program, const Config& config) {
  std::vector<std::string> known;
  for (const Tensor& input : program.inputs()) known.push_back(input.name());
  for (const auto& [name, source] : config.data.inputs) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto origin = config.origins.find("data.inputs." + name);
    const SourceLocation where = origin == config.origins.end() ? SourceLocation{} : origin->second;
    const std::optional<Tensor> other = program.find(name);
    const std::string have = "; its inputs are " + (known.empty() ? "none" : join(known));
    if (other && other->role() != Role::input)
      throw UserError(where, "data.inputs feeds `" + name + "`, which is no input of program `" +
                                 program.name() + "` (" + other->where().str() + ")" + have);
    throw UserError(where, "data.inputs feeds `" + name + "`, which program `" + program.name() +
                               "` does not have" + have + did_you_mean(name, known));
  }
}

Program with_updates(const Config& config, std::optional<int64_t> batch) {
  if (!config.program.file.empty()) {
    Program program = file_program(config, batch);
    add_optimizer(program, config);
    return program;
  }
  const auto optimizer = config.train.optimizer.value_or(SgdConfig{});
  return build_model(config.program.model, model_options(config, batch), make_optimizer(optimizer));
}

}  // namespace

Program training_program(const Config& config, std::optional<int64_t> batch) {
  Program program = with_updates(config, batch);
  check_data_inputs(program, config);
  return program;
}

Program evaluation_program(const Config& config, std::optional<int64_t> batch) {
  if (!config.program.file.empty()) return without_updates(file_program(config, batch));
  return build_model(config.program.model, model_options(config, batch));
}

Program without_updates(const Program& program) {
  Program result(program.name(), program.where());
  for (const Dim& dim : program.dims()) result.declare(dim);
  for (const Tensor& tensor : program.tensors()) result.import(tensor);
  for (const Output& output : program.outputs()) result.add_output(output);
  return result;
}

bool is_config_file(const std::string& name) {
  const std::string extension = std::filesystem::path(name).extension();
  return extension == ".yaml" || extension == ".yml";
}

bool is_program_file(const std::string& name) {
  return std::filesystem::path(name).extension() == ".tess" || std::filesystem::exists(name);
}

Program named_program(const std::string& name, const std::map<std::string, int64_t>& dims) {
  if (is_config_file(name)) {
    Config config = load_config(name);
    for (const auto& [dim, extent] : dims) config.program.dims[dim] = extent;
    return training_program(config);
  }
  if (is_program_file(name)) return parse_file(name, dims);
  ModelOptions options;
  for (const auto& [key, value] : dims) options[key] = {value};
  return build_model(name, options, sgd(0.1));
}

}  // namespace tessera
