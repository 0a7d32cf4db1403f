#include "placement/predict.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "partition/demands.h"
#include "partition/lower.h"
#include "partition/turning.h"
#include "placement/condition_cost.h"
#include "placement/memory.h"
#include "placement/timeline.h"

namespace tessera {

namespace {

// From how a tensor is made to how it is held, and from there to each of its readers.
double conversion_seconds(const TensorDemands& readers, const Sharding& held,
                          Distances& distances) {
  const TensorShape shape = shape_within(readers.tensor, readers.scope);
  double seconds = distances.between(shape, readers.made, held);
  for (const std::vector<Demand>& reader : readers.demands)
    for (const Demand& demand : reader) {
      double least = distances.between(shape, held, demand.form);
      if (demand.halo)
        least = std::min(least,
                         distances.between(shape, held, demand.halo->base) + demand.halo_seconds);
      seconds += least;
    }
  return seconds;
}

}  // namespace

Objective objective_of(const ProgramRules& rules, const Plan& plan, const Prices& prices) {
  Objective total;
  std::map<std::string, const Assignment*> assignments;
  for (const NestDecision& nest : plan.nests) assignments.emplace(nest.nest, &nest.assignment);
  for (size_t n = 0; n < rules.nests.size(); ++n) {
    const Assignment& assignment = *assignments.at(rules.nests[n].nest().out.name());
    total.compute += prices.kernels.of(rules, n, assignment, plan.mesh);
    total.communicate += turning_seconds(rules.nests[n], assignment, plan.mesh, prices.comm);
  }
  for (const StorageDecision& stored : plan.stored) {
    const Tensor tensor = rules.program.get(stored.tensor);
    if (tensor.role() == Role::input)
      total.compute +=
          static_cast<double>(local_bytes(shape_of(tensor), stored.stored, plan.mesh)) /
          prices.cluster.device.memory_bandwidth;
  }
  std::map<std::pair<std::string, size_t>, const Sharding*> decided;
  for (const HeldDecision& held : plan.held)
    decided.emplace(std::make_pair(held.tensor, static_cast<size_t>(held.loops)), &held.form);
  for (const TensorDemands& readers :
       readers_of(rules.program, rules.scopes, rules.nests, plan, prices.comm)) {
    const auto it = decided.find({readers.tensor.name(), readers.scope.size()});
    const Sharding held = it == decided.end() ? readers.made : within(*it->second, readers.scope);
    total.communicate += static_cast<double>(rules.scopes.times(readers.scope)) *
                         conversion_seconds(readers, held, prices.distances);
  }
  for (const Tensor& condition : rules.conditions) {
    const size_t n = static_cast<size_t>(
        std::find_if(rules.nests.begin(), rules.nests.end(),
                     [&](const NestRules& nest) { return nest.nest().out == condition; }) -
        rules.nests.begin());
    const Sharding made = rules.nests[n].result_sharding(*assignments.at(condition.name()));
    const ConditionCost cost = condition_cost(condition, made, rules.scopes, plan.mesh,
                                              prices.kernel_seconds, prices.comm);
    total.compute += cost.compute;
    total.communicate += cost.communicate;
  }
  return total;
}

void predict(const ProgramRules& rules, const ShardedProgram& local, const Prices& prices,
             Plan& plan) {
  Objective objective = objective_of(rules, plan, prices);
  Timeline line = timeline_of(local, prices.kernel_seconds, prices.comm);
  Prediction& predicted = plan.predicted;
  predicted.seconds = objective.seconds();
  predicted.compute_seconds = objective.compute;
  predicted.exposed_comm_seconds = 0;
  predicted.peak_bytes = memory_of(local).peak;
  predicted.collectives.clear();
  for (const TimedStep& timed : line.steps) {
    const CommStep* comm = std::get_if<CommStep>(timed.step);
    if (comm == nullptr) continue;
    predicted.exposed_comm_seconds += timed.exposed;
    predicted.collectives.push_back({name_of(comm->kind), join(plan.mesh.names(comm->axes), " "),
                                     comm->origin, timed.times * comm->bytes, timed.seconds});
  }
}

Prediction predict(const Program& normal, const Plan& plan, const Cluster& cluster,
                   const KernelSeconds& kernels) {
  KernelSeconds seconds = kernels ? kernels : roofline(cluster.device);
  ClusterCommCost comm(cluster);
  KernelTimes times(seconds);
  Plan copy = plan;
  Distances distances(copy.mesh, comm);
  const Program planned = planned_program(normal, plan);
  predict(ProgramRules(planned), lower(normal, copy, 0, {&comm}),
          {cluster, seconds, comm, times, distances}, copy);
  return copy.predicted;
}

}  // namespace tessera
