#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launcher/yaml.h"

// The tree behind YamlNode; used by launcher/yaml*.cpp only.
namespace tessera::internal {

struct YamlValue;
using YamlPtr = std::shared_ptr<const YamlValue>;

struct YamlEntry {
  std::string key;
  SourceLocation where;
  YamlPtr value;
};

struct YamlValue {
  YamlNode::Kind kind = YamlNode::Kind::null;
  SourceLocation where;
  std::string text;     // scalar
  bool quoted = false;  // scalar
  std::vector<YamlEntry> entries;
  std::vector<YamlPtr> items;
  size_t nodes = 1;  // of this subtree, shared parts counted as often as they are used
};

constexpr size_t kMaxYamlNodes = 10000;
constexpr int kMaxYamlDepth = 32;
constexpr size_t kMaxYamlBytes = 1 << 20;

}  // namespace tessera::internal
