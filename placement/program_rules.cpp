#include "placement/program_rules.h"

#include "base/error.h"
#include "partition/local_nest.h"
#include "partition/turning.h"
#include "placement/condition_cost.h"
#include "placement/first_rank.h"
#include "placement/network.h"
#include "placement/useful_choices.h"

namespace tessera {

ProgramRules::ProgramRules(const Program& normal, const std::vector<Pin>& pins)
    : program(normal), scopes(normal) {
  for (const Tensor& tensor : tensors_of(scopes.sequence()))
    if (tensor.role() == Role::definition)
      nests.emplace_back(nest_of(tensor), scopes.dims(scopes.of(tensor)));
  choices = useful_choices(nests);
  conditions = conditions_of(program, scopes);
  for (const std::vector<Pin>* list : {&normal.pins(), &pins})
    for (const Pin& pin : *list)
      if (const std::optional<Tensor> tensor = normal.find(pin.tensor)) pinned.push_back(*tensor);
  classes = classify(nests, choices, scopes, pinned);
}

double KernelTimes::of(const ProgramRules& rules, size_t nest, const Assignment& assignment,
                       const Mesh& mesh) {
  return of(rules, nest, first_rank_extents(rules.nests[nest], assignment, mesh), mesh,
            [&]() -> const Assignment& { return assignment; });
}

double KernelTimes::ask(const ProgramRules& rules, size_t nest, const Assignment& assignment,
                        const Mesh& mesh) const {
  const NestRules& of = rules.nests[nest];
  const Nest local = first_rank_nest(of, assignment, mesh, rules.scopes);
  double seconds = seconds_(local);
  if (of.turning(assignment)) {
    const int turns = TurningLoop(of, assignment, mesh).count();
    const Nest joined = joined_turns(local.out.name(), local.out, local.out, *of.nest().op);
    seconds = turns * seconds + (turns - 1) * seconds_(joined);
  }
  TESSERA_CHECK(seconds >= 0 && seconds < kForbidden)
      << "a kernel of " << of.nest().out.name() << " takes " << seconds << " s";
  return seconds * static_cast<double>(rules.scopes.times(rules.scopes.of(of.nest().out)));
}

}  // namespace tessera
