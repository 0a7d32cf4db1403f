#include "launcher/yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "launcher/yaml_value.h"

namespace tessera {
namespace {

using internal::YamlEntry;
using internal::YamlPtr;
using internal::YamlValue;
using Kind = YamlNode::Kind;

std::string child_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

// A sign, then digits without a leading zero; nothing else. Octal and hexadecimal are out.
bool is_decimal(const std::string& text) {
  const size_t start = !text.empty() && text[0] == '-' ? 1 : 0;
  if (text.size() == start) return false;
  if (text[start] == '0' && text.size() > start + 1) return false;
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

bool parse_int(const std::string& text, int64_t& value) {
  if (!is_decimal(text)) return false;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc();
}

bool parse_number(const std::string& text, double& value) {
  const size_t start = !text.empty() && text[0] == '-' ? 1 : 0;
  if (text.size() == start || text[start] < '0' || text[start] > '9') return false;
  if (text[start] == '0' && text.size() > start + 1 && text[start + 1] >= '0' &&
      text[start + 1] <= '9')
    return false;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() &&
         std::isfinite(value);
}

// Says why a number-like text is refused, for the mistakes that other readers accept in silence.
std::string number_hint(const std::string& text) {
  const std::string digits = text.substr(!text.empty() && (text[0] == '-' || text[0] == '+'));
  if (digits.size() > 1 && digits[0] == '0') {
    if (digits.find_first_not_of("0123456789") == std::string::npos) {
      const size_t first = digits.find_first_not_of('0');
      return "; a leading 0 means octal to some readers: write " +
             (first == std::string::npos ? "0" : digits.substr(first));
    }
    if (std::string("oOxXbB").find(digits[1]) != std::string::npos) return "; write it in decimal";
  }
  if (digits.find('_') != std::string::npos || digits.find(',') != std::string::npos)
    return "; write the digits without separators";
  return "";
}

YamlPtr replace(const YamlPtr& value, const std::vector<std::string>& path, size_t depth,
                const YamlPtr& leaf, const std::string& name);

YamlPtr replace_item(const YamlPtr& value, const std::vector<std::string>& path, size_t depth,
                     const YamlPtr& leaf, const std::string& name) {
  int64_t index = -1;
  if (!parse_int(path[depth], index) || index < 0 ||
      index >= static_cast<int64_t>(value->items.size()))
    throw UserError(
        fmt::format("{}: `{}` is a list of {}: its elements are numbered from 0, found `{}`",
                    leaf->where.str(), name, value->items.size(), path[depth]));
  auto copy = std::make_shared<YamlValue>(*value);
  YamlPtr& item = copy->items[static_cast<size_t>(index)];
  item = replace(item, path, depth + 1, leaf, child_path(name, path[depth]));
  return copy;
}

YamlPtr replace(const YamlPtr& value, const std::vector<std::string>& path, size_t depth,
                const YamlPtr& leaf, const std::string& name) {
  if (depth == path.size()) return leaf;
  if (value && value->kind == Kind::sequence) return replace_item(value, path, depth, leaf, name);
  auto copy = std::make_shared<YamlValue>();
  copy->kind = Kind::map;
  copy->where = leaf->where;
  if (value && value->kind == Kind::map) *copy = *value;
  const std::string inner = child_path(name, path[depth]);
  for (YamlEntry& entry : copy->entries) {
    if (entry.key != path[depth]) continue;
    entry.value = replace(entry.value, path, depth + 1, leaf, inner);
    if (depth + 1 == path.size()) entry.where = leaf->where;
    return copy;
  }
  copy->entries.push_back(
      {path[depth], leaf->where, replace(nullptr, path, depth + 1, leaf, inner)});
  return copy;
}

}  // namespace

YamlNode::YamlNode() {
  auto empty = std::make_shared<YamlValue>();
  empty->kind = Kind::map;
  value_ = empty;
}

YamlNode::YamlNode(YamlPtr value, std::string path)
    : value_(std::move(value)), path_(std::move(path)) {}

YamlNode::Kind YamlNode::kind() const {
  return value_->kind;
}

const SourceLocation& YamlNode::where() const {
  return value_->where;
}

void YamlNode::fail(const std::string& text) const {
  const std::string place = value_->where.str();
  throw UserError((place.empty() ? "" : place + ": ") +
                  (path_.empty() ? "the file" : "`" + path_ + "`") + " " + text);
}

void YamlNode::fail_key(const std::string& key, const std::string& text) const {
  for (const YamlEntry& entry : value_->entries)
    if (entry.key == key)
      throw UserError(entry.where.str() + ": `" + child_path(path_, key) + "` " + text);
  throw UserError(value_->where.str() + ": `" + child_path(path_, key) + "` " + text);
}

std::string YamlNode::found() const {
  switch (value_->kind) {
    case Kind::null:
      return "nothing";
    case Kind::sequence:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  const std::string text =
      value_->text.size() > 60 ? value_->text.substr(0, 57) + "..." : value_->text;
  return value_->quoted ? "the quoted text `" + text + "`" : "`" + text + "`";
}

std::vector<std::pair<std::string, YamlNode>> YamlNode::entries() const {
  if (value_->kind != Kind::map) fail("must be a map of `key: value`, found " + found());
  std::vector<std::pair<std::string, YamlNode>> result;
  for (const YamlEntry& entry : value_->entries)
    result.emplace_back(entry.key, YamlNode(entry.value, child_path(path_, entry.key)));
  return result;
}

std::optional<YamlNode> YamlNode::find(const std::string& key) const {
  if (value_->kind != Kind::map) fail("must be a map of `key: value`, found " + found());
  for (const YamlEntry& entry : value_->entries)
    if (entry.key == key) return YamlNode(entry.value, child_path(path_, key));
  return std::nullopt;
}

YamlNode YamlNode::at(const std::string& key) const {
  if (auto node = find(key)) return *node;
  fail("must have the key `" + key + "`");
}

void YamlNode::allow_keys(const std::vector<std::string>& keys) const {
  for (const auto& [key, node] : entries()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    fail_key(key, "is not a known key; " + (path_.empty() ? "the file" : "`" + path_ + "`") +
                      " may have " + join(keys) + did_you_mean(key, keys));
  }
}

std::vector<YamlNode> YamlNode::items() const {
  if (value_->kind != Kind::sequence) fail("must be a list, found " + found());
  std::vector<YamlNode> result;
  for (size_t i = 0; i < value_->items.size(); ++i)
    result.emplace_back(value_->items[i], path_ + "[" + std::to_string(i) + "]");
  return result;
}

bool YamlNode::is_word(const std::string& word) const {
  return value_->kind == Kind::scalar && !value_->quoted && value_->text == word;
}

bool YamlNode::is_int() const {
  int64_t ignored = 0;
  return value_->kind == Kind::scalar && !value_->quoted && parse_int(value_->text, ignored);
}

bool YamlNode::is_number() const {
  double ignored = 0;
  return value_->kind == Kind::scalar && !value_->quoted && parse_number(value_->text, ignored);
}

bool YamlNode::is_bool() const {
  return is_word("true") || is_word("false");
}

int64_t YamlNode::as_int(int64_t low, int64_t high) const {
  int64_t value = 0;
  if (!is_int() || !parse_int(value_->text, value) || value < low || value > high)
    fail(fmt::format("must be an integer from {} to {}, found {}{}", low, high, found(),
                     value_->quoted ? "; remove the quotes" : number_hint(value_->text)));
  return value;
}

double YamlNode::as_number() const {
  double value = 0;
  if (!is_number() || !parse_number(value_->text, value))
    fail("must be a number, found " + found() +
         (value_->quoted ? "; remove the quotes" : number_hint(value_->text)));
  return value;
}

double YamlNode::as_positive_number() const {
  const double value = as_number();
  if (!(value > 0)) fail("must be a number above 0, found " + found());
  return value;
}

double YamlNode::as_fraction() const {
  const double value = as_number();
  if (!(value >= 0 && value < 1)) fail("must be a number from 0 to below 1, found " + found());
  return value;
}

bool YamlNode::as_bool() const {
  if (!is_bool()) fail("must be true or false, found " + found());
  return value_->text == "true";
}

std::string YamlNode::as_string() const {
  if (value_->kind != Kind::scalar || value_->text.empty())
    fail("must be text, found " + (value_->kind == Kind::scalar ? "nothing" : found()));
  if (value_->text.find('\0') != std::string::npos)
    fail("holds a character of number 0 (\\0), which ends texts; remove it");
  return value_->text;
}

std::string YamlNode::as_choice(const std::vector<std::string>& choices) const {
  if (value_->kind != Kind::scalar ||
      std::find(choices.begin(), choices.end(), value_->text) == choices.end())
    fail("must be one of " + join(choices) + ", found " + found() +
         did_you_mean(value_->text, choices));
  return value_->text;
}

YamlNode YamlNode::with(const std::vector<std::string>& path, const YamlNode& value) const {
  return YamlNode(replace(value_, path, 0, value.value_, path_), path_);
}

std::string quote_yaml(const std::string& text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/';
  };
  const auto inner = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  static const std::vector<std::string> reserved = {"true", "false", "null", "Null", "NULL",
                                                    "True", "False", "TRUE", "FALSE"};
  if (!text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), inner) &&
      std::find(reserved.begin(), reserved.end(), text) == reserved.end())
    return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted + "\"";
}

}  // namespace tessera
