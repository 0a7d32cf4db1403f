#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>

#include "base/error.h"
#include "base/read_file.h"
#include "launcher/yaml_value.h"

namespace tessera {
namespace {

using internal::YamlPtr;
using internal::YamlValue;
using Kind = YamlNode::Kind;

[[noreturn]] void fail_at(const SourceLocation& where, const std::string& text) {
  throw UserError(where.str() + ": " + text);
}

// Builds the tree from parse events, so that everything the library would let pass (duplicate keys,
// merge keys, cycles, tags) is seen with its position.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string name, bool positions)
      : name_(std::move(name)), positions_(positions) {}

  SourceLocation place(const YAML::Mark& mark) const {
    if (!positions_ || mark.is_null()) return at_file();
    return SourceLocation(name_, mark.line + 1, mark.column + 1);
  }
  SourceLocation at_file() const {
    SourceLocation where;
    where.file = name_;
    return where;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      fail_at(place(mark), "a second document starts here; a file must hold one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto value = make(Kind::null, mark);
    // The parser places a missing value at the next thing it sees, which may be lines below.
    if (!stack_.empty() && stack_.back().has_key) value->where = stack_.back().key_where;
    finish(value, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_tag(mark, tag);
    auto value = make(Kind::scalar, mark);
    value->text = text;
    value->quoted = tag == "!";
    finish(value, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      fail_at(place(mark),
              "this alias stands inside the value it refers to; a value cannot "
              "contain itself");
    if (want_key()) fail_at(place(mark), "an alias cannot be a key");
    attach(found->second, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlPtr root() const { return root_; }

 private:
  struct Level {
    std::shared_ptr<YamlValue> value;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key;
    SourceLocation key_where;
  };

  std::shared_ptr<YamlValue> make(Kind kind, const YAML::Mark& mark) {
    auto value = std::make_shared<YamlValue>();
    value->kind = kind;
    value->where = place(mark);
    return value;
  }

  bool want_key() const {
    return !stack_.empty() && stack_.back().value->kind == Kind::map && !stack_.back().has_key;
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      fail_at(place(mark), "tags are not supported, found `" + tag + "`; remove it");
  }

  void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (want_key())
      fail_at(place(mark),
              "a key must be a plain word, found a list or map; is a bracket or brace not closed?");
    if (stack_.size() >= static_cast<size_t>(internal::kMaxYamlDepth))
      fail_at(place(mark),
              "nested deeper than " + std::to_string(internal::kMaxYamlDepth) + " levels");
    Level level;
    level.value = make(kind, mark);
    level.anchor = anchor;
    stack_.push_back(std::move(level));
  }

  void close() {
    const Level level = std::move(stack_.back());
    stack_.pop_back();
    finish(level.value, level.anchor);
  }

  void finish(const std::shared_ptr<YamlValue>& value, YAML::anchor_t anchor) {
    if (want_key()) return take_key(*value);
    if (anchor != 0) anchors_[anchor] = value;
    attach_at(value, value->where);
  }

  void take_key(const YamlValue& key) {
    Level& level = stack_.back();
    if (key.kind != Kind::scalar || key.text.empty()) fail_at(key.where, "a key must not be empty");
    if (key.text == "<<")
      fail_at(key.where, "merge keys (`<<`) are not supported; write the keys out");
    for (const auto& entry : level.value->entries)
      if (entry.key == key.text)
        fail_at(key.where, "the key `" + key.text + "` was already given at " +
                               (positions_ ? "line " + std::to_string(entry.where.line)
                                           : std::string("the same level")) +
                               "; remove one of the two");
    level.has_key = true;
    level.key = key.text;
    level.key_where = key.where;
  }

  void attach(const YamlPtr& value, const YAML::Mark& mark) { attach_at(value, place(mark)); }

  void attach_at(const YamlPtr& value, const SourceLocation& where) {
    if (stack_.empty()) {
      root_ = value;
      return;
    }
    Level& level = stack_.back();
    level.value->nodes += value->nodes;
    if (level.value->nodes > internal::kMaxYamlNodes)
      fail_at(where, "more than " + std::to_string(internal::kMaxYamlNodes) +
                         " values, counting every use of an alias");
    if (level.value->kind == Kind::sequence) {
      level.value->items.push_back(value);
    } else {
      level.value->entries.push_back({level.key, level.key_where, value});
      level.has_key = false;
    }
  }

  std::string name_;
  bool positions_;
  int documents_ = 0;
  std::vector<Level> stack_;
  std::map<YAML::anchor_t, YamlPtr> anchors_;
  YamlPtr root_;
};

YamlNode read_document(const std::string& text, const std::string& name, bool positions) {
  Builder builder(name, positions);
  if (text.size() > internal::kMaxYamlBytes)
    fail_at(builder.at_file(), "is larger than 1 MiB, which no configuration needs");
  const size_t nul = text.find('\0');
  if (nul != std::string::npos)
    fail_at(builder.at_file(), "is not text: byte " + std::to_string(nul) + " is 0");
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    fail_at(builder.place(error.mark), "not valid YAML: " + error.msg);
  }
  if (!builder.root() || builder.root()->kind == Kind::null) {
    auto empty = std::make_shared<YamlValue>();
    empty->kind = builder.root() ? Kind::null : Kind::map;
    empty->where = builder.at_file();
    return YamlNode(empty, "");
  }
  return YamlNode(builder.root(), "");
}

}  // namespace

YamlNode load_yaml(const std::string& file) {
  return read_document(read_file(file, {"a YAML file", internal::kMaxYamlBytes}), file, true);
}

YamlNode parse_yaml(const std::string& text, const std::string& name) {
  return read_document(text, name, true);
}

YamlNode parse_yaml_argument(const std::string& text) {
  return read_document(text, "command line", false);
}

}  // namespace tessera
