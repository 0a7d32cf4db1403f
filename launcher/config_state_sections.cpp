// The sections about the state of a job: where it comes from and where it is kept.
#include "base/error.h"
#include "launcher/config_sections.h"
#include "launcher/yaml_units.h"
#include "storage/rename.h"

namespace tessera::internal {
namespace {

// `500 steps` or `500`, or a time with its unit.
void read_every(CheckpointConfig& checkpoint, const YamlNode& node) {
  const std::string text = node.as_string();
  const size_t unit = text.find_first_not_of("0123456789. ");
  const bool steps = unit == std::string::npos || text.compare(unit, 4, "step") == 0;
  checkpoint.every_steps = steps ? steps_of(node) : 0;
  checkpoint.every_seconds = steps ? 0 : seconds_of(node);
}

}  // namespace

void read_weights(ConfigReader& reader, const YamlNode& node) {
  WeightsConfig& weights = reader.config.weights;
  node.allow_keys({"file", "rename"});
  node.at("file");
  reader.read(node, "file", weights.file, [&](const YamlNode& n) { return reader.existing(n); });
  reader.read(node, "rename", weights.rename, [](const YamlNode& n) {
    std::vector<std::string> rules;
    for (const YamlNode& item : n.items()) {
      rules.push_back(item.as_string());
      try {
        parse_rename(rules.back());
      } catch (const UserError& error) {
        throw UserError(item.where(), error.what());
      }
    }
    return rules;
  });
}

void read_checkpoint(ConfigReader& reader, const YamlNode& node) {
  CheckpointConfig& checkpoint = reader.config.checkpoint;
  node.allow_keys({"dir", "every", "keep"});
  checkpoint.on = true;
  reader.read(node, "dir", checkpoint.dir, [](const YamlNode& n) { return n.as_string(); });
  reader.read(node, "keep", checkpoint.keep,
              [](const YamlNode& n) { return n.as_int(0, 1000000); });
  if (const auto every = node.find("every")) {
    read_every(checkpoint, *every);
    reader.note(*every);
  }
}

void read_restart(ConfigReader& reader, const YamlNode& node) {
  RestartConfig& restart = reader.config.restart;
  node.allow_keys({"limit", "backoff"});
  node.at("limit");
  reader.read(node, "limit", restart.limit, [](const YamlNode& n) { return n.as_int(0, 1000); });
  reader.read(node, "backoff", restart.backoff, seconds_of);
  if (restart.limit == 0) return;
  if (!reader.config.checkpoint.on)
    node.fail(
        "asks for restarts, but no checkpoints are kept to go on from; add a section "
        "`checkpoint: {}`");
  if (reader.config.cluster.transport != "mpi")
    node.fail(
        "asks for restarts, but the ranks are threads of one process (cluster.transport: local), "
        "which end with it; say cluster.transport: mpi");
}

void read_resume(ConfigReader& reader, const YamlNode& node) {
  ResumeConfig& resume = reader.config.resume;
  if (!node.is_bool())
    resume.path = reader.existing(node);
  else
    resume.newest = node.as_bool();
  reader.note(node);
  if (resume.newest && !reader.config.checkpoint.on)
    node.fail(
        "is true, but nothing says where checkpoints are: add a section `checkpoint: {}`, or "
        "give a checkpoint's folder");
  if (!reader.config.weights.file.empty() && !resume.path.empty())
    node.fail("cannot be combined with weights.file: a checkpoint has all values; remove one");
}

}  // namespace tessera::internal
