#include "launcher/programs.h"

#include <filesystem>

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

// The program's own updates, or those of the configured optimizer.
void add_optimizer(Program& program, const Config& config) {
  if (!config.train.optimizer) {
    if (program.updates().empty())
      throw UserError(program.where(),
                      "program `" + program.name() +
                          "` updates nothing, so there is nothing to train: add `update` lines, or "
                          "a `train.optimizer` to the config, which minimizes its `loss`");
    return;
  }
  if (!program.updates().empty())
    throw UserError(program.where(),
                    "program `" + program.name() + "` updates `" +
                        program.updates()[0].target.name() +
                        "` itself, and the config has a train.optimizer; remove one of the two");
  const std::optional<Tensor> loss = program.find("loss");
  if (!loss)
    throw UserError(program.where(),
                    "train.optimizer minimizes the definition `loss`, which "
                    "program `" +
                        program.name() + "` does not have");
  program.minimize(*loss, make_optimizer(*config.train.optimizer), program.where());
}

}  // namespace

Program training_program(const Config& config, std::optional<int64_t> batch) {
  if (!config.program.file.empty()) {
    Program program = file_program(config, batch);
    add_optimizer(program, config);
    return program;
  }
  const auto optimizer = config.train.optimizer.value_or(SgdConfig{});
  return build_model(config.program.model, model_options(config, batch), make_optimizer(optimizer));
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

Program named_program(const std::string& name, const std::map<std::string, int64_t>& dims) {
  if (is_config_file(name)) {
    Config config = load_config(name);
    for (const auto& [dim, extent] : dims) config.program.dims[dim] = extent;
    return training_program(config);
  }
  if (std::filesystem::path(name).extension() == ".tess" || std::filesystem::exists(name))
    return parse_file(name, dims);
  ModelOptions options;
  for (const auto& [key, value] : dims) options[key] = {value};
  return build_model(name, options, sgd(0.1));
}

}  // namespace tessera
