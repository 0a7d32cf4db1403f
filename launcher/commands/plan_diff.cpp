#include "launcher/commands/plan_diff.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/plan_json.h"
#include "launcher/standard_streams.h"
#include "placement/table.h"

namespace tessera {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string signed_seconds(double seconds) {
  if (seconds == 0) return "0 s";
  return (seconds < 0 ? "-" : "+") + human_seconds(std::abs(seconds));
}

std::string totals(const Prediction& a, const Prediction& b) {
  Rows rows = {{"of a step", "a", "b", "b more"}};
  const auto add = [&](const std::string& name, double in_a, double in_b) {
    rows.push_back({name, human_seconds(in_a), human_seconds(in_b), signed_seconds(in_b - in_a)});
  };
  add("all", a.seconds, b.seconds);
  std::map<std::string, double> ours = seconds_by_kind(a), theirs = seconds_by_kind(b);
  for (const auto& [kind, seconds] : theirs) ours.emplace(kind, 0);
  for (const auto& [kind, seconds] : ours) add(kind, seconds, theirs[kind]);
  rows.push_back({"memory", human_bytes(a.peak_bytes), human_bytes(b.peak_bytes),
                  (b.peak_bytes < a.peak_bytes ? "-" : "+") +
                      human_bytes(std::abs(b.peak_bytes - a.peak_bytes))});
  return aligned(rows, {1, 2, 3});
}

std::string table(const std::vector<PlanDifference>& differences) {
  Rows rows = {{"what", "a", "alone", "b"}};
  for (const PlanDifference& each : differences)
    rows.push_back({each.what, each.a, each.seconds ? signed_seconds(*each.seconds) : "", each.b});
  return aligned(rows, {2});
}

}  // namespace

int print_plan_diff(const Program& normal, const std::vector<std::string>& files,
                    const Cluster& cluster, const KernelSeconds& kernels, bool json) {
  std::vector<Plan> plans;
  for (const std::string& file : files) {
    plans.push_back(read_plan(file));
    verify(plans.back(), normal, file);
    if (plans.back().mesh.ranks() != cluster.devices)
      throw UserError("plan `" + file + "` is for " + std::to_string(plans.back().mesh.ranks()) +
                      " devices, and the cluster has " + std::to_string(cluster.devices) +
                      "; compare plans for the same devices");
    plans.back().predicted = predict(normal, plans.back(), cluster, kernels);
  }
  const Plan& a = plans[0];
  const Plan& b = plans[1];
  const Program planned = planned_program(normal, a);
  const ProgramRules rules(planned);
  const ClusterCommCost comm(cluster);
  const KernelSeconds seconds = kernels ? kernels : roofline(cluster.device);
  KernelTimes times(seconds);
  Distances distances(a.mesh, comm);
  const std::vector<PlanDifference> found =
      differences(rules, a, b, {cluster, seconds, comm, times, distances});
  if (json) {
    print_out("{}\n", json_text(differences_json(a, b, found)));
    return kDone;
  }
  print_out("a: {}, mesh {}\nb: {}, mesh {}\n\n{}", files[0], print(a.mesh), files[1],
            print(b.mesh), totals(a.predicted, b.predicted));
  if (found.empty())
    print_out("\nboth decide the same\n");
  else
    print_out(
        "\n{} decisions differ; `alone` is what a step takes longer when only that one is b's\n{}",
        found.size(), table(found));
  return kDone;
}

}  // namespace tessera
