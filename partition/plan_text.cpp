#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "partition/plan.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

// JSON on one line with spaces after `,` and `:`, which YAML readers want.
std::string one_line(const Json& json) {
  if (!json.is_structured()) return json.dump();
  std::vector<std::string> parts;
  for (const auto& [key, value] : json.items())
    parts.push_back(json.is_object() ? Json(key).dump() + ": " + one_line(value) : one_line(value));
  return json.is_object() ? "{" + join(parts) + "}" : "[" + join(parts) + "]";
}

// Lists of objects get a line for each object, so that plans can be compared by diff.
std::string layout(const Json& json) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : json.items()) {
    std::string text = one_line(value);
    if (value.is_array() && !value.empty()) {
      std::vector<std::string> lines;
      for (const Json& item : value) lines.push_back("    " + one_line(item));
      text = "[\n" + join(lines, ",\n") + "\n  ]";
    }
    parts.push_back("  " + Json(key).dump() + ": " + text);
  }
  return "{\n" + join(parts, ",\n") + "\n}\n";
}

Json number(double value) {  // infinity, which JSON lacks, as null
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

void write_chosen(const Provenance& chosen, Json& json) {
  if (chosen == Provenance{}) return;
  json["by"] = name_of(chosen.by);
  if (!chosen.why.empty()) json["why"] = chosen.why;
  if (chosen.where.known())
    json["where"] = {chosen.where.file, chosen.where.line, chosen.where.column};
}

Json write_nest(const NestDecision& nest, const Mesh& mesh) {
  Json json;
  json["nest"] = nest.nest;
  json["axes"] = Json::object();
  for (size_t i = 0; i < nest.assignment.axes.size(); ++i)
    json["axes"][mesh.axes[i].name] = describe(nest.assignment.axes[i]);
  if (!nest.assignment.order.empty()) json["order"] = mesh.names(nest.assignment.order);
  write_chosen(nest.chosen, json);
  return json;
}

Json write_storage(const StorageDecision& storage, const Mesh& mesh) {
  Json json;
  json["tensor"] = storage.tensor;
  json["dims"] = storage.dims;
  json["split"] = Json::array();
  for (const Axes& axes : storage.stored.split) json["split"].push_back(mesh.names(axes));
  write_chosen(storage.chosen, json);
  return json;
}

Json write_held(const HeldDecision& held, const Mesh& mesh) {
  Json json;
  json["tensor"] = held.tensor;
  json["dims"] = held.dims;
  json["split"] = Json::array();
  for (const Axes& axes : held.form.split) json["split"].push_back(mesh.names(axes));
  if (!held.form.partial.empty()) {
    json["partial"] = mesh.names(held.form.partial);
    json["op"] = name_of(held.form.op);
  }
  if (held.loops > 0) json["loops"] = held.loops;
  return json;
}

Json write_prediction(const Prediction& predicted) {
  Json json;
  json["seconds"] = number(predicted.seconds);
  json["lower_bound_seconds"] = number(predicted.lower_bound_seconds);
  json["gap"] = number(predicted.gap);
  json["compute_seconds"] = number(predicted.compute_seconds);
  json["exposed_comm_seconds"] = number(predicted.exposed_comm_seconds);
  json["peak_bytes"] = predicted.peak_bytes;
  json["search_seconds"] = number(predicted.search_seconds);
  return json;
}

Json write_collective(const Prediction::Collective& one) {
  Json json;
  json["kind"] = one.kind;
  json["axes"] = one.axes;
  json["tensor"] = one.tensor;
  json["bytes"] = one.bytes;
  json["seconds"] = number(one.seconds);
  return json;
}

// One object of the file, read strictly: every key known, every type right.
class Reader {
 public:
  Reader(const Json& json, std::string file, std::string place,
         const std::vector<std::string>& keys)
      : json_(json), file_(std::move(file)), place_(std::move(place)) {
    if (!json.is_object()) fail("is not an object");
    for (const auto& [key, value] : json.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end())
        fail("has an unknown key `" + key + "`" + did_you_mean(key, keys) + "; known are " +
             join(keys));
  }

  [[noreturn]] void fail(const std::string& text) const {
    throw UserError(file_ + ": " + place_ + " " + text);
  }

  bool has(const char* key) const { return json_.contains(key); }

  const Json& at(const char* key) const {
    if (!has(key)) fail("has no `" + std::string(key) + "`");
    return json_.at(key);
  }

  template <typename T>
  T get(const char* key) const {
    try {
      return at(key).get<T>();
    } catch (const Json::exception&) {
      fail("has a wrong `" + std::string(key) + "`: " + json_.at(key).dump());
    }
  }

  double number(const char* key) const {
    if (at(key).is_null()) return std::numeric_limits<double>::infinity();
    return get<double>(key);
  }

  const Json& list(const char* key) const {
    if (!at(key).is_array()) fail("has a wrong `" + std::string(key) + "`: a list is wanted");
    return at(key);
  }

  int axis(const std::string& name, const Mesh& mesh) const {
    const int found = mesh.find(name);
    if (found < 0)
      fail("names the mesh axis `" + name + "`, which the mesh " + print(mesh) + " lacks" +
           did_you_mean(name, mesh.names()));
    return found;
  }

  Axes axes(const std::vector<std::string>& names, const Mesh& mesh) const {
    Axes result;
    for (const std::string& name : names) result.push_back(axis(name, mesh));
    return result;
  }

 private:
  const Json& json_;
  std::string file_;
  std::string place_;
};

Provenance read_chosen(const Reader& reader) {
  Provenance chosen;
  if (reader.has("by")) {
    const auto by = reader.get<std::string>("by");
    bool known = false;
    for (const ChosenBy each : {ChosenBy::rule, ChosenBy::user, ChosenBy::optimizer})
      if (by == name_of(each)) {
        chosen.by = each;
        known = true;
      }
    if (!known) reader.fail("has a wrong `by`: `" + by + "`; it is rule, user or optimizer");
  }
  if (reader.has("why")) chosen.why = reader.get<std::string>("why");
  if (reader.has("where")) {
    const Json& where = reader.list("where");
    if (where.size() != 3 || !where[0].is_string() || !where[1].is_number_integer() ||
        !where[2].is_number_integer())
      reader.fail("has a wrong `where`: [file, line, column] is wanted");
    chosen.where = {where[0].get<std::string>(), where[1].get<int>(), where[2].get<int>()};
  }
  return chosen;
}

NestDecision read_nest(const Json& json, const Mesh& mesh, const std::string& file) {
  const Reader reader(json, file, "a nest", {"nest", "axes", "order", "by", "why", "where"});
  NestDecision nest;
  nest.nest = reader.get<std::string>("nest");
  const std::string place = "nest `" + nest.nest + "`";
  const Reader axes(reader.at("axes"), file, place, mesh.names());
  for (const Axis& axis : mesh.axes) {
    try {
      nest.assignment.axes.push_back(parse_choice(axes.get<std::string>(axis.name.c_str())));
    } catch (const UserError& error) {
      const std::string text = error.what();
      if (text.rfind(file, 0) == 0) throw;
      axes.fail("on axis `" + axis.name + "`: " + text);
    }
  }
  if (reader.has("order")) {
    nest.assignment.order = reader.axes(reader.get<std::vector<std::string>>("order"), mesh);
  }
  nest.chosen = read_chosen(reader);
  return nest;
}

StorageDecision read_storage(const Json& json, const Mesh& mesh, const std::string& file) {
  const Reader reader(json, file, "a stored tensor",
                      {"tensor", "dims", "split", "by", "why", "where"});
  StorageDecision storage;
  storage.tensor = reader.get<std::string>("tensor");
  storage.dims = reader.get<std::vector<std::string>>("dims");
  for (const auto& names : reader.get<std::vector<std::vector<std::string>>>("split"))
    storage.stored.split.push_back(reader.axes(names, mesh));
  if (storage.stored.split.size() != storage.dims.size())
    reader.fail("`" + storage.tensor + "` has " + std::to_string(storage.dims.size()) +
                " dims and splits " + std::to_string(storage.stored.split.size()));
  storage.chosen = read_chosen(reader);
  return storage;
}

HeldDecision read_held(const Json& json, const Mesh& mesh, const std::string& file) {
  const Reader reader(json, file, "a held tensor",
                      {"tensor", "dims", "split", "partial", "op", "loops"});
  HeldDecision held;
  held.tensor = reader.get<std::string>("tensor");
  held.dims = reader.get<std::vector<std::string>>("dims");
  for (const auto& names : reader.get<std::vector<std::vector<std::string>>>("split"))
    held.form.split.push_back(reader.axes(names, mesh));
  if (held.form.split.size() != held.dims.size())
    reader.fail("`" + held.tensor + "` has " + std::to_string(held.dims.size()) +
                " dims and splits " + std::to_string(held.form.split.size()));
  if (reader.has("partial")) {
    held.form.partial = reader.axes(reader.get<std::vector<std::string>>("partial"), mesh);
    const auto op = reader.get<std::string>("op");
    bool known = false;
    for (const ReduceOp each : {ReduceOp::sum, ReduceOp::prod, ReduceOp::max, ReduceOp::min,
                                ReduceOp::any, ReduceOp::all})
      if (op == name_of(each)) {
        held.form.op = each;
        known = true;
      }
    if (!known)
      reader.fail("has a wrong `op`: `" + op + "`; it is sum, prod, max, min, any or all");
  }
  if (reader.has("loops")) held.loops = reader.get<int>("loops");
  return held;
}

Recomputation read_recomputation(const Json& json, const std::string& file) {
  const Reader reader(json, file, "what is computed again", {"tensor", "from"});
  return {reader.get<std::string>("tensor"), reader.get<std::string>("from")};
}

Prediction read_prediction(const Json& json, const std::string& file) {
  const Reader reader(json, file, "`predicted`",
                      {"seconds", "lower_bound_seconds", "gap", "compute_seconds",
                       "exposed_comm_seconds", "peak_bytes", "search_seconds"});
  Prediction predicted;
  predicted.seconds = reader.number("seconds");
  predicted.lower_bound_seconds = reader.number("lower_bound_seconds");
  predicted.gap = reader.number("gap");
  predicted.compute_seconds = reader.number("compute_seconds");
  predicted.exposed_comm_seconds = reader.number("exposed_comm_seconds");
  predicted.peak_bytes = reader.get<int64_t>("peak_bytes");
  predicted.search_seconds = reader.number("search_seconds");
  return predicted;
}

Prediction::Collective read_collective(const Json& json, const std::string& file) {
  const Reader reader(json, file, "a collective", {"kind", "axes", "tensor", "bytes", "seconds"});
  return {reader.get<std::string>("kind"), reader.get<std::string>("axes"),
          reader.get<std::string>("tensor"), reader.get<int64_t>("bytes"),
          reader.number("seconds")};
}

Prediction::Strategy read_strategy(const Json& json, const std::string& file) {
  const Reader reader(json, file, "a template", {"name", "mesh", "seconds"});
  return {reader.get<std::string>("name"), reader.get<std::string>("mesh"),
          reader.number("seconds")};
}

Mesh read_mesh(const Reader& reader) {
  std::vector<std::string> parts;
  if (!reader.at("mesh").is_object()) reader.fail("has a wrong `mesh`: axes with sizes are wanted");
  for (const auto& [axis, size] : reader.at("mesh").items())
    parts.push_back(axis + "=" + size.dump());
  return parse_mesh(join(parts, ","));
}

}  // namespace

std::string to_text(const Plan& plan) {
  Json json;
  json["tessera_plan"] = kVersion;
  json["program"] = plan.program;
  json["mesh"] = Json::object();
  for (const Axis& axis : plan.mesh.axes) json["mesh"][axis.name] = axis.size;
  json["predicted"] = write_prediction(plan.predicted);
  json["collectives"] = Json::array();
  for (const auto& one : plan.predicted.collectives)
    json["collectives"].push_back(write_collective(one));
  if (!plan.predicted.templates.empty()) json["templates"] = Json::array();
  for (const auto& one : plan.predicted.templates)
    json["templates"].push_back({{"name", one.name}, {"mesh", one.mesh}, {"seconds", one.seconds}});
  json["nests"] = Json::array();
  for (const NestDecision& nest : plan.nests) json["nests"].push_back(write_nest(nest, plan.mesh));
  json["stored"] = Json::array();
  for (const StorageDecision& storage : plan.stored)
    json["stored"].push_back(write_storage(storage, plan.mesh));
  json["outputs"] = Json::array();
  for (const StorageDecision& storage : plan.outputs)
    json["outputs"].push_back(write_storage(storage, plan.mesh));
  if (!plan.held.empty()) {
    json["held"] = Json::array();
    for (const HeldDecision& held : plan.held) json["held"].push_back(write_held(held, plan.mesh));
  }
  if (!plan.recomputed.empty()) json["recomputed"] = Json::array();
  for (const Recomputation& each : plan.recomputed)
    json["recomputed"].push_back({{"tensor", each.tensor}, {"from", each.from}});
  return layout(json);
}

Plan plan_from_text(const std::string& text, const std::string& file) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    const auto at = std::min(text.size(), static_cast<size_t>(error.byte));
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
    throw UserError(SourceLocation{file, static_cast<int>(line)},
                    "this is not JSON; was the plan file cut short or edited?");
  }
  const Reader reader(json, file, "the plan",
                      {"tessera_plan", "program", "mesh", "predicted", "collectives", "nests",
                       "stored", "outputs", "held", "templates", "recomputed"});
  if (reader.get<int>("tessera_plan") != kVersion)
    reader.fail("has version " + reader.at("tessera_plan").dump() + ", this build reads " +
                std::to_string(kVersion) + "; plan again");
  Plan plan;
  plan.program = reader.get<std::string>("program");
  plan.mesh = read_mesh(reader);
  plan.predicted = read_prediction(reader.at("predicted"), file);
  for (const Json& item : reader.list("collectives"))
    plan.predicted.collectives.push_back(read_collective(item, file));
  for (const Json& item : reader.list("nests"))
    plan.nests.push_back(read_nest(item, plan.mesh, file));
  for (const Json& item : reader.list("stored"))
    plan.stored.push_back(read_storage(item, plan.mesh, file));
  for (const Json& item : reader.list("outputs"))
    plan.outputs.push_back(read_storage(item, plan.mesh, file));
  if (reader.has("templates"))
    for (const Json& item : reader.list("templates"))
      plan.predicted.templates.push_back(read_strategy(item, file));
  if (reader.has("held"))
    for (const Json& item : reader.list("held"))
      plan.held.push_back(read_held(item, plan.mesh, file));
  if (reader.has("recomputed"))
    for (const Json& item : reader.list("recomputed"))
      plan.recomputed.push_back(read_recomputation(item, file));
  return plan;
}

}  // namespace tessera
