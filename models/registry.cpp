#include "models/registry.h"

#include "base/error.h"
#include "models/mlp.h"

namespace tessera {
namespace {

// The options given, over the defaults, checked.
ModelOptions resolve(const ModelInfo& model, const ModelOptions& given) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : model.defaults) keys.push_back(key);
  ModelOptions resolved = model.defaults;
  for (const auto& [key, numbers] : given) {
    if (model.defaults.count(key) == 0)
      throw UserError("model `" + model.name + "` has no option `" + key + "`; it takes " +
                      join(keys) + did_you_mean(key, keys));
    for (int64_t number : numbers)
      if (number < 1)
        throw UserError("option `" + key + "` of model `" + model.name + "` is " +
                        std::to_string(number) + "; it must be at least 1");
    resolved[key] = numbers;
  }
  return resolved;
}

int64_t one(const ModelOptions& options, const std::string& key) {
  const std::vector<int64_t>& numbers = options.at(key);
  if (numbers.size() != 1)
    throw UserError("option `" + key + "` takes one number, not " + std::to_string(numbers.size()));
  return numbers[0];
}

}  // namespace

const std::vector<ModelInfo>& all_models() {
  static const std::vector<ModelInfo> models = {
      {"mlp",
       "classifier of flat images, dense layers with relu between them",
       {{"batch", {256}}, {"pixels", {784}}, {"hidden", {512, 512}}, {"labels", {10}}}},
  };
  return models;
}

Program build_model(const std::string& name, const ModelOptions& options,
                    const Optimizer& optimizer) {
  std::vector<std::string> known;
  for (const ModelInfo& model : all_models()) {
    known.push_back(model.name);
    if (model.name != name) continue;
    const ModelOptions o = resolve(model, options);
    return mlp({one(o, "batch"), one(o, "pixels"), o.at("hidden"), one(o, "labels")}, optimizer);
  }
  throw UserError("there is no model `" + name + "`; known are " + join(known) +
                  did_you_mean(name, known));
}

}  // namespace tessera
