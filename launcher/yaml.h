#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/source_location.h"

namespace tessera {

namespace internal {
struct YamlValue;
}

// A strict, immutable view of a YAML document: the one place where yaml-cpp is used.
//
// Refused when a document is read: duplicate keys, `<<` merge keys, keys that are not scalars,
// tags, a second document, an alias inside its own anchor, more than 10,000 nodes after aliases are
// expanded, more than 32 levels, files over 1 MiB. Refused when a value is read: unknown and
// missing keys, wrong types, numbers out of range, and every integer that is not plain decimal
// (010, 0o10, 0x10, 1_000). Every error is a UserError that starts with where the value stands:
//
//   train.yaml:3:11: `train.epochs` must be an integer from 1 to 1000000, found `many`
//
// A node knows its dotted path from the root, so messages can name it. Copying is cheap; nodes may
// be read from several threads.
class YamlNode {
 public:
  enum class Kind : uint8_t { null, scalar, sequence, map };

  // An empty map, for a document that says nothing.
  YamlNode();
  YamlNode(std::shared_ptr<const internal::YamlValue> value, std::string path);

  Kind kind() const;
  const std::string& path() const { return path_; }
  // Where the value begins; for a value of the command line, file is "command line" and line is 0.
  const SourceLocation& where() const;

  // Maps. `entries` keeps the order of the file; `find` and `at` take one key, not a path.
  std::vector<std::pair<std::string, YamlNode>> entries() const;
  std::optional<YamlNode> find(const std::string& key) const;
  YamlNode at(const std::string& key) const;
  // Fails at the first key that is not one of `keys`, naming the nearest.
  void allow_keys(const std::vector<std::string>& keys) const;
  // Fails with "`path.key` text", pointing at the key rather than at its value.
  [[noreturn]] void fail_key(const std::string& key, const std::string& text) const;

  // Sequences; elements are called `path[0]`, `path[1]`, ...
  std::vector<YamlNode> items() const;

  // Scalars. Quoted text is a string and never a number.
  int64_t as_int(int64_t low, int64_t high) const;
  double as_number() const;           // finite
  double as_positive_number() const;  // above 0
  double as_fraction() const;         // from 0 to below 1
  bool as_bool() const;               // true or false
  std::string as_string() const;      // any scalar; not null, not empty
  std::string as_choice(const std::vector<std::string>& choices) const;

  bool is_word(const std::string& word) const;  // the plain scalar `word`
  bool is_int() const;                          // plain decimal integer that fits in 64 bits
  bool is_number() const;
  bool is_bool() const;

  // Throws UserError: "file:line:col: `path` text".
  [[noreturn]] void fail(const std::string& text) const;
  // "`many`", "a list", "a map", "nothing": the value, for messages.
  std::string found() const;

  // A copy of the tree with the value at `path` put in or replaced. Scalars on the way become maps;
  // a step into a list is an index. The path may be empty only at the recursion's end.
  YamlNode with(const std::vector<std::string>& path, const YamlNode& value) const;

 private:
  std::shared_ptr<const internal::YamlValue> value_;
  std::string path_;
};

// Reads a whole file. `file` is used in messages exactly as given.
YamlNode load_yaml(const std::string& file);

// The same for text; `name` stands for the file.
YamlNode parse_yaml(const std::string& text, const std::string& name);

// A value from the command line: no lines or columns, every node's place is "command line".
YamlNode parse_yaml_argument(const std::string& text);

// `text` as a YAML scalar that reads back as the same string: plain where that is safe, else in
// double quotes.
std::string quote_yaml(const std::string& text);

}  // namespace tessera
