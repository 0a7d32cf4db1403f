#include "codegen/partial_reductions.h"

#include <algorithm>
#include <optional>

#include "codegen/contraction.h"
#include "codegen/contraction_layout.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "codegen/stages.h"
#include "ir/index_range.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// As many parts as threads could want; as many as leave no rest where there are about so many.
int64_t parts_of(int64_t extent, int64_t pieces, int64_t most) {
  const int64_t wanted = std::min(extent, std::max<int64_t>(2, most / pieces));
  for (int64_t parts = wanted; 2 * parts > wanted; --parts)
    if (extent % parts == 0) return parts;
  return wanted;
}

int64_t pieces_of(const Nest& nest) {
  return pieces_to_share({nest}, sorted(nest.out.dims()));
}

bool is_long_to_few(const Nest& nest, const PartialLimits& limits) {
  // What has another type than its terms is rounded once, at the end.
  if (!nest.op || nest.body.type() != nest.out.type() || is_half(nest.out.type())) return false;
  if (volume(nest.loops()) < limits.longest || volume(nest.out.dims()) == 0 ||
      pieces_of(nest) >= limits.enough)
    return false;
  // A fault names an index, and the element at which it left, as the program has them.
  if (find_scatter(nest) || find_scan(nest) || reads_may_leave(nest.body)) return false;
  const std::optional<Contraction> contraction = find_contraction(nest);
  return !(contraction && worth_tiling(*contraction));
}

// The nest's reduction with `last` in place of `dim`, whose values are `index`.
Nest step_of(const Nest& nest, const std::string& what, const Dim& dim, const Dim& last,
             const Expr& index, const Dims& order) {
  const Expr body = substitute(nest.body, {{dim, index}});
  const Dims reduced = sorted(unite(subtract(nest.reduced, {dim}), {last}));
  const Tensor out = make_tensor(nest.out.name() + what, order, nest.out.type(), Role::definition,
                                 {}, nest.out.where());
  return {out, nest.op, reduced, body};
}

}  // namespace

const Dim& outermost_reduced(const Nest& nest) {
  const Dim* best = &nest.reduced[0];
  int64_t farthest = -1;
  for (const Expr& node : reads_of(nest)) {
    const std::optional<Affine> form = address_of(*as<Read>(node));
    if (!form) continue;
    for (const Dim& dim : nest.reduced) {
      const auto step = form->terms.find(dim);
      if (step == form->terms.end() || dim.extent() < 2 || std::abs(step->second) <= farthest)
        continue;
      farthest = std::abs(step->second);
      best = &dim;
    }
  }
  return *best;
}

// In two steps, of which the second one combines the parts, and the rest that they leave.
std::vector<Nest> in_parts(const Nest& nest, int64_t count) {
  std::vector<Nest> result;
  const Dim dim = outermost_reduced(nest);
  const int64_t steps = dim.extent() / count;
  const Dim part(dim.name() + "_part", count), step(dim.name() + "_step", steps);
  Dims order = {part};
  order.insert(order.end(), nest.out.dims().begin(), nest.out.dims().end());
  result.push_back(
      step_of(nest, "_parts", dim, step, to_expr(Affine{{{part, steps}, {step, 1}}, 0}), order));
  Expr parts = make_read(result.back().out);
  if (count * steps < dim.extent()) {
    const Dim rest(dim.name() + "_rest", dim.extent() - count * steps);
    result.push_back(step_of(nest, "_rest", dim, rest, to_expr(Affine{{{rest, 1}}, count * steps}),
                             nest.out.dims()));
    const Expr first = make_apply(Fn::eq, {make_index(part), to_expr(Affine{{}, 0})});
    const Expr nothing = make_constant(identity(*nest.op, nest.out.type()));
    parts =
        make_apply(function_of(*nest.op),
                   {parts, make_apply(Fn::where, {first, make_read(result.back().out), nothing})});
  }
  result.push_back({nest.out, nest.op, {part}, parts});
  return result;
}

std::vector<Nest> in_partial_reductions(const std::vector<Nest>& nests,
                                        const PartialLimits& limits) {
  std::vector<Nest> result;
  for (const Nest& nest : nests) {
    if (!is_long_to_few(nest, limits) || outermost_reduced(nest).extent() < 2) {
      result.push_back(nest);
      continue;
    }
    const int64_t extent = outermost_reduced(nest).extent();
    for (Nest& step : in_parts(nest, parts_of(extent, pieces_of(nest), limits.most_parts)))
      result.push_back(std::move(step));
  }
  return result;
}

}  // namespace tessera
