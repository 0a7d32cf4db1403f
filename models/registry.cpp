#include "models/registry.h"

#include "base/error.h"
#include "models/capsule_net.h"
#include "models/cnn.h"
#include "models/expert_transformer.h"
#include "models/lstm_net.h"
#include "models/mlp.h"
#include "models/residual_net.h"
#include "models/transformer.h"

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
      if (number < 1 || number > INT32_MAX)
        throw UserError("option `" + key + "` of model `" + model.name + "` is " +
                        std::to_string(number) + "; it must be at least 1" +
                        (number < 1 ? "" : " and at most " + std::to_string(INT32_MAX)));
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

// A model: what it is called, what it takes, and how it is made from that.
struct Model {
  ModelInfo info;
  std::function<Program(const ModelOptions&, const Optimizer&)> build;
};

Program make_mlp(const ModelOptions& o, const Optimizer& optimizer) {
  return mlp({one(o, "batch"), one(o, "pixels"), o.at("hidden"), one(o, "labels")}, optimizer);
}

Program make_cnn(const ModelOptions& o, const Optimizer& optimizer) {
  return cnn(
      {one(o, "batch"), one(o, "size"), o.at("channels"), one(o, "kernel"), one(o, "labels")},
      optimizer);
}

Program make_capsules(const ModelOptions& o, const Optimizer& optimizer) {
  return capsule_net(
      {one(o, "batch"), one(o, "size"), o.at("channels"), one(o, "kernel"), one(o, "pose"),
       one(o, "iterations"), one(o, "labels"), one(o, "margin_ramp")},
      optimizer);
}

Program make_transformer(const ModelOptions& o, const Optimizer& optimizer) {
  return transformer(
      {one(o, "batch"), one(o, "time"), one(o, "vocabulary"), one(o, "layers"), one(o, "model"),
       one(o, "groups"), one(o, "share"), one(o, "feature"), one(o, "hidden"), one(o, "branches")},
      optimizer);
}

Program make_experts(const ModelOptions& o, const Optimizer& optimizer) {
  return expert_transformer(
      {one(o, "batch"), one(o, "time"), one(o, "vocabulary"), one(o, "layers"), one(o, "model"),
       one(o, "heads"), one(o, "feature"), one(o, "hidden"), one(o, "experts"), one(o, "slots")},
      optimizer);
}

Program make_resnet(const ModelOptions& o, const Optimizer& optimizer) {
  return residual_net(
      {one(o, "batch"), one(o, "size"), o.at("blocks"), one(o, "width"), one(o, "labels")},
      optimizer);
}

Program make_lstm(const ModelOptions& o, const Optimizer& optimizer) {
  return lstm_net({one(o, "batch"), one(o, "time"), one(o, "vocabulary"), one(o, "layers"),
                   one(o, "model"), one(o, "hidden")},
                  optimizer);
}

const std::vector<Model>& models() {
  static const std::vector<Model> list = {
      {{"mlp",
        "classifier of flat images, dense layers with relu between them",
        {{"batch", {256}}, {"pixels", {784}}, {"hidden", {512, 512}}, {"labels", {10}}}},
       make_mlp},
      {{"cnn",
        "classifier of images, stages of convolution, batch norm, relu and max pooling",
        {{"batch", {128}},
         {"size", {28}},
         {"channels", {16, 32}},
         {"kernel", {5}},
         {"labels", {10}}}},
       make_cnn},
      {{"capsules",
        "classifier of images, matrix capsules with EM routing",
        {{"batch", {32}},
         {"size", {28}},
         {"channels", {16, 8, 8}},
         {"kernel", {5}},
         {"pose", {4}},
         {"iterations", {3}},
         {"labels", {10}},
         {"margin_ramp", {100}}}},
       make_capsules},
      {{"transformer",
        "language model, causal attention with rotary positions and grouped queries",
        {{"batch", {16}},
         {"time", {64}},
         {"vocabulary", {128}},
         {"layers", {2}},
         {"model", {64}},
         {"groups", {2}},
         {"share", {2}},
         {"feature", {16}},
         {"hidden", {256}},
         {"branches", {1}}}},
       make_transformer},
      {{"experts",
        "language model, causal attention and a mixture of experts",
        {{"batch", {8}},
         {"time", {16}},
         {"vocabulary", {64}},
         {"layers", {2}},
         {"model", {32}},
         {"heads", {2}},
         {"feature", {16}},
         {"hidden", {64}},
         {"experts", {4}},
         {"slots", {8}}}},
       make_experts},
      {{"resnet",
        "classifier of images, residual network of bottlenecks",
        {{"batch", {8}}, {"size", {16}}, {"blocks", {1, 1}}, {"width", {8}}, {"labels", {10}}}},
       make_resnet},
      {{"lstm",
        "language model, layers of long short-term memory",
        {{"batch", {16}},
         {"time", {32}},
         {"vocabulary", {128}},
         {"layers", {1}},
         {"model", {32}},
         {"hidden", {128}}}},
       make_lstm},
  };
  return list;
}

}  // namespace

const std::vector<ModelInfo>& all_models() {
  static const std::vector<ModelInfo> infos = [] {
    std::vector<ModelInfo> list;
    for (const Model& model : models()) list.push_back(model.info);
    return list;
  }();
  return infos;
}

Program build_model(const std::string& name, const ModelOptions& options,
                    const Optimizer& optimizer) {
  std::vector<std::string> known;
  for (const Model& model : models()) {
    known.push_back(model.info.name);
    if (model.info.name == name) return model.build(resolve(model.info, options), optimizer);
  }
  throw UserError("there is no model `" + name + "`; known are " + join(known) +
                  did_you_mean(name, known));
}

}  // namespace tessera
