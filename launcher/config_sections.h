#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "launcher/config.h"
#include "launcher/yaml.h"

// One reader per section of the file; used by launcher/config*.cpp only.
namespace tessera::internal {

// Reads values into a Config and notes where each was written.
struct ConfigReader {
  Config& config;
  std::filesystem::path folder;  // of the file

  void note(const YamlNode& node) { config.origins[node.path()] = node.where(); }

  // When `map` has `key`: into = parse(value), and its place is noted.
  template <typename T, typename Parse>
  bool read(const YamlNode& map, const std::string& key, T& into, Parse parse) {
    const auto node = map.find(key);
    if (!node) return false;
    into = parse(*node);
    note(*node);
    return true;
  }

  // An absolute path to something that exists.
  std::string existing(const YamlNode& node) const;
};

void read_program(ConfigReader& reader, const YamlNode& node);
void read_data(ConfigReader& reader, const YamlNode& node);
void read_train(ConfigReader& reader, const YamlNode& node);
void read_cluster(ConfigReader& reader, const YamlNode& node);
void read_plan(ConfigReader& reader, const YamlNode& node);
void read_weights(ConfigReader& reader, const YamlNode& node);
void read_checkpoint(ConfigReader& reader, const YamlNode& node);
void read_restart(ConfigReader& reader, const YamlNode& node);
void read_resume(ConfigReader& reader, const YamlNode& node);

// A name that a program may contain: letters, digits and _, not starting with a digit.
std::string name_of_thing(const YamlNode& owner, const std::string& key);

}  // namespace tessera::internal
