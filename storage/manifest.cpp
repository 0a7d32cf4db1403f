#include "storage/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "storage/npy.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;
constexpr int kMostDepth = 8;
constexpr const char* kHash = "hash";

[[noreturn]] void fail(const std::string& file, const std::string& text) {
  throw UserError(file + ": " + text + "; the checkpoint is damaged");
}

// Keys are in order, and what is not UTF-8 is replaced: equal objects have equal texts.
std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// A value of an object, of the kind that it must have.
class ManifestReader {
 public:
  ManifestReader(const std::string& file, const Json& object, std::string path)
      : file_(file), object_(object), path_(std::move(path)) {
    if (!object.is_object()) fail(file_, "`" + path_ + "` is no object");
  }

  std::string text(const char* key) const {
    const Json& value = at(key);
    if (!value.is_string()) refuse(key, "a text");
    return value.get<std::string>();
  }
  int64_t number(const char* key, int64_t least = 0) const {
    const Json& value = at(key);
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) ||
        value.get<int64_t>() < least)
      refuse(key, "a whole number");
    return value.get<int64_t>();
  }
  std::vector<int64_t> numbers(const char* key) const {
    std::vector<int64_t> result;
    for (const Json& item : list(key)) {
      if (!item.is_number_unsigned() || item.get<uint64_t>() > INT64_MAX)
        refuse(key, "a list of whole numbers");
      result.push_back(item.get<int64_t>());
    }
    return result;
  }
  uint64_t hash(const char* key) const {
    const std::string digits = text(key);
    uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 16 || error != std::errc() || end != digits.data() + 16)
      refuse(key, "sixteen hexadecimal digits");
    return value;
  }
  const Json& list(const char* key) const {
    const Json& value = at(key);
    if (!value.is_array()) refuse(key, "a list");
    return value;
  }
  ManifestReader object(const char* key) const { return {file_, at(key), path_ + "." + key}; }

 private:
  const Json& at(const char* key) const {
    const auto it = object_.find(key);
    if (it == object_.end()) fail(file_, "`" + path_ + "` has no `" + key + "`");
    return *it;
  }
  [[noreturn]] void refuse(const char* key, const char* wanted) const {
    fail(file_, "`" + path_ + "." + key + "` is not " + wanted);
  }

  const std::string& file_;
  const Json& object_;
  std::string path_;
};

ManifestShard read_shard(const ManifestReader& json, const std::string& file) {
  ManifestShard shard{json.text("file"), static_cast<uint64_t>(json.number("bytes")),
                      json.hash("hash")};
  if (shard.file.empty() || shard.file[0] == '.' || shard.file.find('/') != std::string::npos)
    fail(file, "names the shard `" + shard.file + "`, which is no plain file name");
  return shard;
}

bool overlap(const Box& a, const Box& b) {
  for (size_t d = 0; d < a.begin.size(); ++d)
    if (a.end[d] <= b.begin[d] || b.end[d] <= a.begin[d]) return false;
  return volume(a) > 0 && volume(b) > 0;
}

// Of boxes in order: does the later one begin before the earlier one ends, along the first dim?
bool may_meet(const Box& a, const Box& b) {
  return a.begin.empty() || b.begin[0] < a.end[0];
}

void check_pieces(const ManifestTensor& tensor, const std::string& file, size_t shards) {
  const int64_t elements = count_elements(file, tensor.shape);
  int64_t covered = 0;
  std::vector<const Box*> boxes;
  for (const auto& [shard, box] : tensor.pieces) {
    bool inside = shard < shards && box.begin.size() == tensor.shape.size() &&
                  box.end.size() == tensor.shape.size();
    for (size_t d = 0; inside && d < box.begin.size(); ++d)
      inside = 0 <= box.begin[d] && box.begin[d] <= box.end[d] && box.end[d] <= tensor.shape[d];
    if (!inside) fail(file, "has a piece of `" + tensor.name + "` that lies outside of it");
    covered += volume(box);
    if (covered > elements) fail(file, "has pieces of `" + tensor.name + "` that overlap");
    boxes.push_back(&box);
  }
  std::sort(boxes.begin(), boxes.end(),
            [](const Box* a, const Box* b) { return a->begin < b->begin; });
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t j = i + 1; j < boxes.size() && may_meet(*boxes[i], *boxes[j]); ++j)
      if (overlap(*boxes[i], *boxes[j]))
        fail(file, "has pieces of `" + tensor.name + "` that overlap");
  if (covered != elements)
    fail(file, fmt::format("has {} of the {} elements of `{}`", covered, elements, tensor.name));
}

ManifestTensor read_tensor(const ManifestReader& json, const std::string& file) {
  ManifestTensor tensor;
  tensor.name = json.text("name");
  if (!parse_dtype(json.text("type"), tensor.type))
    fail(file, "gives `" + tensor.name + "` the unknown type " + json.text("type"));
  tensor.shape = json.numbers("shape");
  const std::string kind = json.text("kind");
  if (kind != "parameter" && kind != "state")
    fail(file, "takes `" + tensor.name + "` for a `" + kind + "`");
  tensor.trained = kind == "parameter";
  for (const Json& item : json.list("pieces")) {
    const ManifestReader piece(file, item, "pieces of " + tensor.name);
    tensor.pieces.push_back({static_cast<size_t>(piece.number("shard")),
                             Box{piece.numbers("begin"), piece.numbers("end")}});
  }
  return tensor;
}

Json json_of(const ManifestTensor& tensor) {
  Json pieces = Json::array();
  for (const auto& [shard, box] : tensor.pieces)
    pieces.push_back({{"shard", shard}, {"begin", box.begin}, {"end", box.end}});
  return {{"name", tensor.name},
          {"type", name_of(tensor.type)},
          {"shape", tensor.shape},
          {"kind", tensor.trained ? "parameter" : "state"},
          {"pieces", pieces}};
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json shards = Json::array(), tensors = Json::array();
  for (const ManifestShard& shard : manifest.shards)
    shards.push_back({{"file", shard.file}, {"bytes", shard.bytes}, {"hash", hex(shard.hash)}});
  for (const ManifestTensor& tensor : manifest.tensors) tensors.push_back(json_of(tensor));
  Json json = {
      {"tessera_checkpoint", kVersion},
      {"step", manifest.step},
      {"seed", hex(manifest.seed)},
      {"data",
       {{"epoch", manifest.data.epoch},
        {"batch", manifest.data.batch},
        {"examples", manifest.data.examples},
        {"content", manifest.data.content}}},
      {"program", {{"text", manifest.program}, {"hash", hex(hash_bytes(manifest.program))}}},
      {"plan",
       {{"text", manifest.plan},
        {"hash", hex(hash_bytes(manifest.plan))},
        {"settings", manifest.settings}}},
      {"ranks", manifest.ranks},
      {"written", manifest.written},
      {"shards", shards},
      {"tensors", tensors}};
  json[kHash] = hex(hash_bytes(text_of(json)));
  return text_of(json, 1) + "\n";
}

Manifest parse_manifest(const std::string& text, const std::string& file) {
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMostDepth) fail(file, "has more levels than a manifest has");
    return true;
  };
  Json json = Json::parse(text, shallow, false);
  if (!json.is_object()) fail(file, "is no JSON object");
  const ManifestReader top(file, json, "the manifest");
  if (const int64_t version = top.number("tessera_checkpoint"); version != kVersion)
    throw UserError(fmt::format("{}: is a checkpoint of format {}; this version reads format {}",
                                file, version, kVersion));
  const uint64_t stated = top.hash(kHash);
  Json hashed = json;
  hashed.erase(kHash);
  if (stated != hash_bytes(text_of(hashed))) fail(file, "does not have the hash that it states");
  const ManifestReader data = top.object("data"), plan = top.object("plan");
  Manifest manifest;
  manifest.step = top.number("step");
  manifest.seed = top.hash("seed");
  manifest.data = {data.number("epoch"), data.number("batch"), data.number("examples"),
                   data.text("content")};
  manifest.program = top.object("program").text("text");
  manifest.plan = plan.text("text");
  manifest.settings = plan.text("settings");
  manifest.ranks = static_cast<int>(top.number("ranks", 1));
  manifest.written = top.text("written");
  std::set<std::string> files, names;
  for (const Json& item : top.list("shards")) {
    manifest.shards.push_back(read_shard(ManifestReader(file, item, "shards"), file));
    if (!files.insert(manifest.shards.back().file).second)
      fail(file, "names the shard `" + manifest.shards.back().file + "` twice");
  }
  for (const Json& item : top.list("tensors")) {
    manifest.tensors.push_back(read_tensor(ManifestReader(file, item, "tensors"), file));
    check_pieces(manifest.tensors.back(), file, manifest.shards.size());
    if (!names.insert(manifest.tensors.back().name).second)
      fail(file, "has `" + manifest.tensors.back().name + "` twice");
  }
  return manifest;
}

}  // namespace tessera
