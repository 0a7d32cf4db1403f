#include "placement/plan_facts.h"

#include "ir/index_range.h"
#include "partition/lower.h"
#include "partition/stacks.h"

namespace tessera {
namespace {

void find_carried(const std::vector<Step>& steps, const std::map<Tensor, Stack>& stacks,
                  std::map<std::string, int64_t>& bytes) {
  for (const Step& step : steps) {
    const LoopStep* loop = std::get_if<LoopStep>(&step);
    if (loop == nullptr) continue;
    for (const Carry& carry : loop->carries) {
      const Stack* stack = &stacks.at(carry.carried);
      while (stack->inside) stack = &stacks.at(*stack->inside);
      bytes[carry.carried.name()] =
          volume(carry.carried, *stack) * static_cast<int64_t>(size_of(carry.carried.type()));
    }
    find_carried(loop->body, stacks, bytes);
  }
}

}  // namespace

PlanFacts::PlanFacts(const Program& normal, const Plan& made, const Cluster& machines,
                     const KernelSeconds& kernels)
    : planned(recomputing(normal, made.recomputed)),
      program(planned.program),
      plan(made),
      cluster(machines),
      comm(cluster),
      local(lower(normal, plan, 0, {&comm})),
      line(timeline_of(local, kernels ? kernels : roofline(cluster.device), comm)),
      memory(memory_of(local)),
      communication(communication_of(program, plan, local, line)) {
  find_carried(local.steps, stacks_of(local), carried_);
}

int64_t PlanFacts::kept_bytes(const StorageDecision& decision, const Tensor& tensor) const {
  const auto carried = carried_.find(decision.tensor);
  if (carried != carried_.end()) return carried->second;
  return local_bytes(shape_of(tensor), decision.stored, plan.mesh);
}

}  // namespace tessera
