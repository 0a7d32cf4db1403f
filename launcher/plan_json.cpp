#include "launcher/plan_json.h"

#include "placement/compare.h"

namespace tessera {
namespace {

using nlohmann::json;

json to_json(const CommunicationEnd& end) {
  return {{"name", end.name}, {"where", end.where.str()}};
}

json to_json(const Communication& each, const Mesh& mesh) {
  json to = json::array();
  for (const CommunicationEnd& end : each.to) to.push_back(to_json(end));
  return {{"kind", name_of(each.step->kind)},
          {"axes", mesh.names(each.step->axes)},
          {"tensor", each.step->origin},
          {"bytes", each.times * each.step->bytes},
          {"seconds", each.seconds},
          {"exposed_seconds", each.exposed},
          {"from", to_json(each.from)},
          {"to", to},
          {"why", each.why}};
}

// What a step costs, part by part.
json costs(const Prediction& predicted) {
  return {{"seconds", predicted.seconds},
          {"seconds_by_kind", seconds_by_kind(predicted)},
          {"bytes_by_kind", bytes_by_kind(predicted)},
          {"exposed_seconds", predicted.exposed_comm_seconds},
          {"peak_bytes", predicted.peak_bytes}};
}

json to_json(const Alternative& alternative) {
  json result = costs(alternative.predicted);
  result["name"] = alternative.name;
  result["mesh"] = print(alternative.mesh);
  result["lower_bound_seconds"] = alternative.predicted.lower_bound_seconds;
  result["why_not"] = alternative.why;
  return result;
}

json holdings_json(const MemoryUse& memory) {
  json holdings = json::array();
  for (const MemoryUse::Holding& each : memory.holdings)
    holdings.push_back({{"tensor", each.tensor}, {"bytes", each.bytes}});
  return holdings;
}

}  // namespace

json plan_json(const PlanFacts& facts, const std::vector<Alternative>& alternatives) {
  const Prediction& p = facts.plan.predicted;
  json traffic = json::object(), templates = json::array(), communication = json::array();
  for (const auto& [kind, moved] : bytes_by_collective(facts.local)) traffic[kind] = moved.bytes;
  for (const Prediction::Strategy& each : p.templates)
    templates.push_back(
        {{"name", each.name}, {"mesh", each.mesh}, {"time_ms", 1e3 * each.seconds}});
  for (const Communication& each : facts.communication)
    communication.push_back(to_json(each, facts.plan.mesh));
  json result = {{"time_ms", 1e3 * p.seconds},
                 {"lower_bound_ms", 1e3 * p.lower_bound_seconds},
                 {"gap", p.gap},
                 {"peak_bytes", p.peak_bytes},
                 {"peak_at", facts.memory.at},
                 {"peak_holdings", holdings_json(facts.memory)},
                 {"search_s", p.search_seconds},
                 {"mesh", print(facts.plan.mesh)},
                 {"devices", facts.plan.mesh.ranks()},
                 {"templates", templates},
                 {"plan_hash", plan_hash(facts.plan)},
                 {"bytes_by_collective", traffic},
                 {"costs", costs(p)},
                 {"communication", communication}};
  if (alternatives.empty()) return result;
  json others = json::array();
  for (const Alternative& each : alternatives) others.push_back(to_json(each));
  result["alternatives"] = others;
  return result;
}

json no_plan_json(const NoPlanFits& error) {
  json result = {{"fits", false},
                 {"error", error.what()},
                 {"smallest_peak_bytes", error.smallest.peak},
                 {"mesh", print(error.mesh)},
                 {"at", error.smallest.at},
                 {"holdings", holdings_json(error.smallest)}};
  if (error.devices) result["devices"] = *error.devices;
  return result;
}

json differences_json(const Plan& a, const Plan& b,
                      const std::vector<PlanDifference>& differences) {
  json list = json::array();
  for (const PlanDifference& each : differences) {
    json one = {{"what", each.what}, {"a", each.a}, {"b", each.b}};
    if (each.seconds) one["seconds"] = *each.seconds;
    list.push_back(one);
  }
  const auto side = [](const Plan& plan) {
    json result = costs(plan.predicted);
    result["mesh"] = print(plan.mesh);
    result["plan_hash"] = plan_hash(plan);
    return result;
  };
  return {{"a", side(a)}, {"b", side(b)}, {"differences", list}};
}

}  // namespace tessera
