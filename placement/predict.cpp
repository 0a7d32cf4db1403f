#include "placement/predict.h"

#include <algorithm>

#include "base/error.h"
#include "partition/lower.h"
#include "placement/condition_cost.h"
#include "placement/conversions.h"
#include "placement/memory.h"
#include "placement/timeline.h"

namespace tessera {

namespace {

// What is asked of each tensor, by the scope in which it is converted, in the order of lowering.
class Demands {
 public:
  Demands(const ProgramRules& rules, const Plan& plan, const Prices& prices)
      : rules_(rules), plan_(plan), prices_(prices) {}

  Objective run() {
    for (const Tensor& tensor : rules_.program.tensors())
      if (tensor.role() != Role::definition) add_stored(tensor);
    size_t n = 0;
    for (const Tensor& tensor : tensors_of(rules_.scopes.sequence())) {
      if (tensor.role() == Role::definition) {
        add_nest(rules_.nests[n++]);
      } else {
        add_kept(tensor, as<Read>(tensor.value())->tensor, scope_of(tensor));
      }
    }
    for (const Update& carry : rules_.program.carries())
      add_kept(carry.target, carry.value, scope_of(carry.target));
    for (const Update& update : rules_.program.updates()) add_kept(update.target, update.value, {});
    for (const Output& output : rules_.program.outputs())
      needed_[{output.value, {}}].push_back({plan_.output(output.name).stored, std::nullopt, 0});
    for (const Tensor& condition : rules_.conditions) {
      const ConditionCost cost = condition_cost(condition, source_.at(condition), rules_.scopes,
                                                plan_.mesh, prices_.kernel_seconds, prices_.comm);
      total_.compute += cost.compute;
      total_.communicate += cost.communicate;
    }
    for (const auto& [key, demands] : needed_) {
      const auto& [tensor, scope] = key;
      total_.communicate +=
          static_cast<double>(rules_.scopes.times(scope)) *
          conversion_seconds(shape_within(tensor, scope), within(source_.at(tensor), scope),
                             demands, prices_.distances);
    }
    return total_;
  }

 private:
  const Scope& scope_of(const Tensor& tensor) const { return rules_.scopes.of(tensor); }

  void add_stored(const Tensor& tensor) {
    const Sharding& stored = plan_.storage(tensor.name()).stored;
    source_.emplace(tensor, stored);
    if (tensor.role() == Role::input)
      total_.compute += static_cast<double>(local_bytes(shape_of(tensor), stored, plan_.mesh)) /
                        prices_.cluster.device.memory_bandwidth;
  }

  void add_nest(const NestRules& nest) {
    const Tensor& out = nest.nest().out;
    const Assignment& assignment = plan_.nest(out.name()).assignment;
    total_.compute += prices_.kernels.of(nest, assignment, plan_.mesh, rules_.scopes);
    source_.emplace(out, nest.result_sharding(assignment));
    for (size_t k = 0; k < nest.operands().size(); ++k) {
      const Tensor& tensor = nest.operand_tensor(k);
      const Scope scope = common(scope_of(tensor), scope_of(out));
      needed_[{tensor, scope}].push_back(demand_of(nest, k, assignment, scope, prices_.distances));
    }
  }

  // As `target` is kept, with the dims of `tensor`.
  void add_kept(const Tensor& target, const Tensor& tensor, const Scope& user) {
    const Sharding& kept = source_.at(target);
    Sharding wanted = replicated(tensor);
    for (size_t d = 0; d < wanted.split.size(); ++d)
      wanted.split[d] = kept.split[position(target.dims(), tensor.dims()[d])];
    const Scope scope = common(scope_of(tensor), user);
    needed_[{tensor, scope}].push_back({within(wanted, scope), std::nullopt, 0});
  }

  const ProgramRules& rules_;
  const Plan& plan_;
  const Prices& prices_;
  Objective total_;
  std::map<Tensor, Sharding> source_;
  std::map<std::pair<Tensor, Scope>, std::vector<Demand>> needed_;
};

}  // namespace

Objective objective_of(const ProgramRules& rules, const Plan& plan, const Prices& prices) {
  return Demands(rules, plan, prices).run();
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
  predict(ProgramRules(normal), copy, {cluster, seconds, comm, times, distances});
  return copy.predicted;
}

}  // namespace tessera
