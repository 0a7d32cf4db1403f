#include "placement/predict.h"

#include <algorithm>

#include "base/error.h"
#include "partition/lower.h"
#include "placement/conversions.h"
#include "placement/memory.h"
#include "placement/timeline.h"

namespace tessera {

Objective objective_of(const ProgramRules& rules, const Plan& plan, const Prices& prices) {
  Objective total;
  std::map<Tensor, Sharding> source;
  std::map<Tensor, std::vector<Demand>> needed;
  for (const Tensor& tensor : rules.program.tensors()) {
    if (tensor.role() == Role::definition) continue;
    const Sharding& stored = plan.storage(tensor.name()).stored;
    source.emplace(tensor, stored);
    if (tensor.role() == Role::input)
      total.compute += static_cast<double>(local_bytes(shape_of(tensor), stored, plan.mesh)) /
                       prices.cluster.device.memory_bandwidth;
  }
  for (const NestRules& nest : rules.nests) {
    const Tensor& out = nest.nest().out;
    const Assignment& assignment = plan.nest(out.name()).assignment;
    total.compute += prices.kernels.of(nest, assignment, plan.mesh);
    source.emplace(out, nest.result_sharding(assignment));
    for (size_t k = 0; k < nest.operands().size(); ++k)
      needed[nest.operand_tensor(k)].push_back(demand_of(nest, k, assignment, prices.distances));
  }
  for (const Update& update : rules.program.updates()) {
    const Sharding& target = source.at(update.target);
    Sharding wanted = replicated(update.value);
    for (size_t d = 0; d < wanted.split.size(); ++d)
      wanted.split[d] = target.split[position(update.target.dims(), update.value.dims()[d])];
    needed[update.value].push_back({wanted, std::nullopt, 0});
  }
  for (const Output& output : rules.program.outputs())
    needed[output.value].push_back({plan.output(output.name).stored, std::nullopt, 0});
  for (const auto& [tensor, forms] : needed)
    total.communicate +=
        conversion_seconds(shape_of(tensor), source.at(tensor), forms, prices.distances);
  return total;
}

void predict(const ProgramRules& rules, Plan& plan, const Prices& prices) {
  Objective objective = objective_of(rules, plan, prices);
  ShardedProgram local = lower(rules.program, plan, 0, {&prices.comm});
  Timeline line = timeline_of(local, prices.kernel_seconds, prices.comm);
  Prediction& predicted = plan.predicted;
  predicted.seconds = objective.seconds();
  predicted.compute_seconds = objective.compute;
  predicted.exposed_comm_seconds = 0;
  predicted.peak_bytes = memory_of(local).peak;
  predicted.collectives.clear();
  for (size_t i = 0; i < local.steps.size(); ++i) {
    const CommStep* comm = std::get_if<CommStep>(&local.steps[i]);
    if (comm == nullptr) continue;
    predicted.exposed_comm_seconds += line.steps[i].exposed;
    predicted.collectives.push_back({name_of(comm->kind), join(plan.mesh.names(comm->axes), " "),
                                     comm->origin, comm->bytes, line.steps[i].seconds});
  }
}

Prediction predict(const Program& normal, const Plan& plan, const Cluster& cluster,
                   const KernelSeconds& kernels) {
  KernelSeconds seconds = kernels ? kernels : roofline(cluster.device);
  ClusterCommCost comm(cluster);
  KernelTimes times(seconds);
  Plan copy = plan;
  Distances distances(copy.mesh, comm);
  predict(ProgramRules(normal), copy, {cluster, seconds, comm, times, distances});
  return copy.predicted;
}

}  // namespace tessera
