#include "placement/first_rank.h"

#include "partition/iteration.h"
#include "partition/local_nest.h"
#include "partition/turning.h"

namespace tessera {

Nest first_rank_nest(const NestRules& rules, const Assignment& assignment, const Mesh& mesh,
                     const Scopes& scopes) {
  LocalDims dims(mesh, 0);
  std::vector<Part> parts;
  for (size_t k = 0; k < rules.operands().size(); ++k) {
    const Tensor& tensor = rules.operand_tensor(k);
    Sharding sharding = rules.operand_sharding(k, assignment);
    Part part{tensor, local_box(extents(tensor.dims()), sharding, mesh, 0)};
    for (size_t earlier = 0; earlier < k; ++earlier)
      if (rules.operand_tensor(earlier) == tensor && parts[earlier].box == part.box)
        part.local = parts[earlier].local;
    if (part.local == tensor)
      part.local = make_tensor(tensor.name(), dims.local(tensor.dims(), sharding), tensor.type(),
                               Role::input, {}, tensor.where());
    parts.push_back(std::move(part));
  }
  std::optional<Turn> turn;
  if (rules.turning(assignment)) {
    const TurningLoop turning(rules, assignment, mesh);
    turn = Turn{turning.loop(), turning.range(0, 0), rules.nest().out.name()};
  }
  const Nest local = local_nest(rules, assignment, parts, dims, turn);
  std::map<Tensor, size_t> depths;  // of the loops around each tensor
  const auto add = [&](const Tensor& tensor, const Tensor& origin) {
    if (!scopes.of(origin).empty()) depths[tensor] = scopes.of(origin).size();
  };
  for (size_t k = 0; k < parts.size(); ++k) add(parts[k].local, rules.operand_tensor(k));
  add(local.out, rules.nest().out);
  const Scope& scope = scopes.of(rules.nest().out);
  return IterationParts(scopes.dims(scope), depths).part(local);
}

std::vector<int64_t> first_rank_extents(const NestRules& rules, const Assignment& assignment,
                                        const Mesh& mesh) {
  std::vector<int64_t> result;
  for (const Dim& loop : rules.nest().loops())
    result.push_back(block(loop.extent(), rules.loop_axes(loop, assignment), mesh, 0).size());
  if (rules.turning(assignment)) result.push_back(TurningLoop(rules, assignment, mesh).count());
  for (size_t k = 0; k < rules.operands().size(); ++k) {
    Sharding sharding = rules.operand_sharding(k, assignment);
    const Dims& dims = rules.operand_tensor(k).dims();
    for (size_t i = 0; i < dims.size(); ++i)
      result.push_back(block(dims[i].extent(), sharding.split[i], mesh, 0).size());
  }
  return result;
}

}  // namespace tessera
