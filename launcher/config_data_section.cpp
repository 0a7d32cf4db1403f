// The section `data`.
#include "base/error.h"
#include "launcher/config_sections.h"
#include "launcher/yaml_units.h"

namespace tessera::internal {
namespace {

int64_t extent(const YamlNode& node) {
  return node.as_int(1, int64_t{1} << 40);
}

// A field, or columns of a table as a list: [a, b] is short for "a, b".
std::string field_of(const YamlNode& node) {
  if (node.kind() != YamlNode::Kind::sequence) return node.as_string();
  std::vector<std::string> columns;
  for (const YamlNode& item : node.items()) columns.push_back(item.as_string());
  if (columns.empty()) node.fail("is an empty list; name at least one column");
  return join(columns);
}

std::map<std::string, std::string> files_of(const ConfigReader& reader, const YamlNode& node) {
  std::map<std::string, std::string> files;
  for (const auto& [input, file] : node.entries())
    files[name_of_thing(node, input)] = reader.existing(file);
  return files;
}

// Only one of them says where the data is.
void check_source(const YamlNode& node) {
  std::string found;
  for (const char* key : {"set", "text", "file"}) {
    if (!node.find(key)) continue;
    if (!found.empty())
      node.fail_key(key, "cannot be combined with data." + found + "; remove one");
    found = key;
  }
}

// What is held out for testing: a share, or files of its own.
void read_test(ConfigReader& reader, const YamlNode& data) {
  DataConfig& config = reader.config.data;
  const auto test = data.find("test");
  if (!test) {
    if (config.of_files()) config.test = 0;
    return;
  }
  if (!config.set.empty())
    data.fail_key("test",
                  "is what is held out of a text or of files for testing; it needs `text`, `file` "
                  "or `inputs` with files");
  reader.note(*test);
  if (test->kind() == YamlNode::Kind::map && config.of_files() && config.file.empty()) {
    config.test = 0;
    config.test_inputs = files_of(reader, *test);
  } else if (test->kind() == YamlNode::Kind::scalar && !test->is_number() && !config.file.empty()) {
    config.test = 0;
    config.test_file = reader.existing(*test);
  } else {
    config.test = test->as_fraction();
  }
}

}  // namespace

void read_data(ConfigReader& reader, const YamlNode& node) {
  DataConfig& data = reader.config.data;
  node.allow_keys(
      {"set", "dir", "text", "file", "test", "inputs", "batch", "limit", "shuffle", "memory"});
  check_source(node);
  reader.read(node, "set", data.set, [](const YamlNode& n) {
    return n.as_choice({"fashion-mnist", "synthetic"});
  });
  if (const auto dir = node.find("dir"); dir && data.set != "fashion-mnist")
    node.fail_key("dir", "is the folder of a data set; it needs `set: fashion-mnist`");
  reader.read(node, "dir", data.dir, [&](const YamlNode& n) { return reader.existing(n); });
  reader.read(node, "text", data.text, [&](const YamlNode& n) { return reader.existing(n); });
  reader.read(node, "file", data.file, [&](const YamlNode& n) { return reader.existing(n); });
  read_test(reader, node);
  if (const auto inputs = node.find("inputs")) {
    for (const auto& [input, value] : inputs->entries()) {
      data.inputs[name_of_thing(*inputs, input)] =
          data.has_fields() ? field_of(value) : reader.existing(value);
      reader.note(value);
    }
  }
  reader.read(node, "batch", data.batch, extent);
  reader.read(node, "limit", data.limit, extent);
  reader.read(node, "shuffle", data.shuffle, [](const YamlNode& n) { return n.as_bool(); });
  reader.read(node, "memory", data.memory, bytes_of);
  if (!data.has_fields() && data.inputs.empty())
    node.fail(
        "must have `set` (fashion-mnist or synthetic), `text` (a file), `file` (of arrays or "
        "columns) or `inputs` (files by input)");
  if (data.batch && data.limit && *data.limit < *data.batch)
    node.at("limit").fail("is " + std::to_string(*data.limit) + ", less than one batch of " +
                          std::to_string(*data.batch));
}

}  // namespace tessera::internal
