#include "placement/condition_cost.h"

#include <algorithm>

#include "ir/loop_condition.h"

namespace tessera {
namespace {

void collect(const Program& program, const Scopes& scopes, const Sequence& sequence,
             std::vector<Tensor>& found) {
  for (const SequenceStep& step : sequence) {
    const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what);
    if (loop == nullptr) continue;
    const std::optional<Tensor> condition = condition_of(program, *loop);
    const Scope scope = condition ? scopes.of(*condition) : Scope{};
    if (!scope.empty() && scopes.loop(scope).over == loop->over) found.push_back(*condition);
    collect(program, scopes, loop->body, found);
  }
}

// any[…](condition), of the first rank's part in one iteration.
Nest local_any(const Tensor& condition, const Sharding& part, const Scope& scope,
               const Mesh& mesh) {
  Dims dims;
  const size_t iterated = scope.size();
  for (size_t d = iterated; d < condition.dims().size(); ++d) {
    const Dim& dim = condition.dims()[d];
    const Interval first = block(dim.extent(), part.split[d - iterated], mesh, 0);
    dims.emplace_back(dim.name(), first.size(), dim.where());
  }
  const Tensor local =
      make_tensor(condition.name(), dims, condition.type(), Role::input, {}, condition.where());
  const Expr any = make_reduce(Reduction::any, dims, make_read(local), condition.where());
  return nest_of(make_definition(condition.name(), any, condition.where(), {}));
}

}  // namespace

std::vector<Tensor> conditions_of(const Program& stacked, const Scopes& scopes) {
  std::vector<Tensor> found;
  collect(stacked, scopes, scopes.sequence(), found);
  return found;
}

ConditionCost condition_cost(const Tensor& condition, const Sharding& made, const Scopes& scopes,
                             const Mesh& mesh, const KernelSeconds& kernels, const CommCost& comm) {
  const Scope& scope = scopes.of(condition);
  const Sharding part = within(made, scope);
  const auto times = static_cast<double>(scopes.times(scope));
  ConditionCost cost;
  if (condition.dims().size() > scope.size())
    cost.compute = times * kernels(local_any(condition, part, scope, mesh));
  Sharding partial;
  for (const Axes& axes : part.split)
    partial.partial.insert(partial.partial.end(), axes.begin(), axes.end());
  if (partial.partial.empty()) return cost;
  std::sort(partial.partial.begin(), partial.partial.end());
  ReshardStep step;
  step.kind = CommKind::all_reduce;
  step.axes = partial.partial;
  const int64_t bytes = busiest_bytes({{}, condition.type()}, partial, step, mesh);
  cost.communicate = times * comm.seconds(step.kind, mesh, step.axes, bytes);
  return cost;
}

}  // namespace tessera
