#include "launcher/config.h"

#include <filesystem>
#include <tuple>

#include "base/error.h"
#include "launcher/config_sections.h"
#include "launcher/overrides.h"
#include "launcher/yaml.h"

namespace tessera {
namespace internal {

std::string ConfigReader::existing(const YamlNode& node) const {
  namespace fs = std::filesystem;
  const fs::path given = node.as_string();
  const fs::path base = node.where().known() ? folder : fs::current_path();
  const fs::path path = (given.is_absolute() ? given : base / given).lexically_normal();
  std::error_code error;
  if (!fs::exists(path, error))
    node.fail("names a file that does not exist: " + path.string() +
              (given.is_absolute() ? "" : " (relative to " + base.string() + ")"));
  return path.string();
}

std::string name_of_thing(const YamlNode& owner, const std::string& key) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  bool valid = !key.empty() && letter(key[0]);
  for (const char c : key) valid = valid && (letter(c) || (c >= '0' && c <= '9'));
  if (!valid)
    owner.fail_key(key,
                   "is not a name; names are letters, digits and _, not starting with a digit");
  return key;
}

}  // namespace internal

namespace {

const std::vector<std::string> kSections = {"program", "data",    "train",      "cluster",
                                            "plan",    "weights", "checkpoint", "restart",
                                            "resume",  "output"};

// A job's batch is one number, whether it was given as data.batch or as the dim `batch`.
void settle_batch(Config& config, const YamlNode& root) {
  const auto dim = config.program.dims.find("batch");
  if (dim == config.program.dims.end()) return;
  if (config.data.batch && *config.data.batch != dim->second)
    root.at("data").at("batch").fail("is " + std::to_string(*config.data.batch) +
                                     ", but program.dims.batch is " + std::to_string(dim->second) +
                                     "; give the batch in one place");
  config.data.batch = dim->second;
  config.origins["data.batch"] = config.origins["program.dims.batch"];
}

void check_mesh_fits(const Config& config, const YamlNode& root) {
  if (config.plan.mesh.empty()) return;
  int64_t devices = 1;
  std::vector<std::string> axes;
  for (const auto& [axis, size] : config.plan.mesh) {
    devices *= size;
    axes.push_back(axis + "=" + std::to_string(size));
  }
  if (devices == config.cluster.ranks()) return;
  root.at("plan").at("mesh").fail("is " + join(axes, " x ") + ", which needs " +
                                  std::to_string(devices) + " ranks, but the cluster has " +
                                  std::to_string(config.cluster.ranks()) +
                                  "; change plan.mesh or cluster.ranks");
}

Config read_config(const YamlNode& root, const std::string& name) {
  namespace fs = std::filesystem;
  Config config;
  internal::ConfigReader reader{config, fs::absolute(fs::path(name)).parent_path()};
  root.allow_keys(kSections);

  internal::read_program(reader, root.at("program"));
  if (const auto node = root.find("data")) internal::read_data(reader, *node);
  if (const auto node = root.find("train")) internal::read_train(reader, *node);
  if (const auto node = root.find("cluster")) internal::read_cluster(reader, *node);
  if (const auto node = root.find("plan")) internal::read_plan(reader, *node);
  if (const auto node = root.find("weights")) internal::read_weights(reader, *node);

  const std::string stem = fs::path(name).stem().string();
  config.output.dir = "runs/" + (stem.empty() ? "job" : stem);
  if (const auto output = root.find("output")) {
    output->allow_keys({"dir", "tensorboard"});
    reader.read(*output, "dir", config.output.dir, [](const YamlNode& n) { return n.as_string(); });
    reader.read(*output, "tensorboard", config.output.tensorboard,
                [](const YamlNode& n) { return n.as_bool(); });
  }
  if (const auto node = root.find("checkpoint")) internal::read_checkpoint(reader, *node);
  if (config.checkpoint.dir.empty()) config.checkpoint.dir = config.output.dir + ".checkpoints";
  if (const auto node = root.find("restart")) internal::read_restart(reader, *node);
  if (const auto node = root.find("resume")) internal::read_resume(reader, *node);
  if (!config.train.epochs && !config.train.steps) config.train.epochs = 1;
  settle_batch(config, root);
  check_mesh_fits(config, root);
  return config;
}

}  // namespace

int ClusterConfig::ranks() const {
  return ranks_of(hosts);
}

std::string Config::origin(const std::string& path) const {
  const auto found = origins.find(path);
  return found == origins.end() ? "default" : found->second.str();
}

bool operator==(const Config& a, const Config& b) {
  const auto values = [](const Config& c) {
    return std::tie(c.program, c.data, c.train, c.cluster, c.plan, c.weights, c.checkpoint,
                    c.restart, c.resume, c.output);
  };
  return values(a) == values(b);
}

Config load_config(const std::string& file, const std::vector<std::string>& overrides) {
  return read_config(apply_overrides(load_yaml(file), overrides), file);
}

Config parse_config(const std::string& text, const std::string& name,
                    const std::vector<std::string>& overrides) {
  return read_config(apply_overrides(parse_yaml(text, name), overrides), name);
}

}  // namespace tessera
