#include "codegen/scatter.h"

#include <map>

#include "ir/guards.h"

namespace tessera {
namespace {

// The dim whose value `expr` is, looking through integer casts.
const Dim* plain_dim(const Expr& expr) {
  if (const IndexOf* index = as<IndexOf>(expr)) return &index->dim;
  const Apply* apply = as<Apply>(expr);
  if (apply != nullptr && apply->fn == Fn::cast && is_integer(expr.type()))
    return plain_dim(apply->args[0]);
  return nullptr;
}

// A target and its position, when `part` says `position == target` and the position moves with the
// reduced dims.
std::optional<std::pair<Dim, Expr>> equation(const Expr& part, const Nest& nest) {
  const Apply* apply = as<Apply>(part);
  if (apply == nullptr || apply->fn != Fn::eq) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const Dim* target = plain_dim(apply->args[side]);
    const Expr& position = apply->args[1 - side];
    if (target == nullptr || !contains(nest.out.dims(), *target)) continue;
    if (!is_integer(position.type()) || contains(position.dims(), *target)) continue;
    if (intersect(position.dims(), nest.reduced).empty()) continue;
    return std::pair{*target, position};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Scatter> find_scatter(const Nest& nest) {
  if (nest.op != ReduceOp::sum) return std::nullopt;
  const GuardedValue guarded = split_guards(nest.body);
  std::map<Dim, Expr> found;
  std::vector<Expr> rest;
  for (const Expr& part : guarded.conditions) {
    const auto pair = equation(part, nest);
    if (!pair || !found.emplace(pair->first, pair->second).second) rest.push_back(part);
  }
  if (found.empty()) return std::nullopt;
  Scatter scatter{{}, {}, join_guards({rest, guarded.value})};
  for (const auto& [target, position] : found) {
    scatter.targets.push_back(target);
    scatter.positions.push_back(position);
  }
  if (!intersect(scatter.value.dims(), scatter.targets).empty()) return std::nullopt;
  for (const Expr& position : scatter.positions)
    if (!intersect(position.dims(), scatter.targets).empty()) return std::nullopt;
  return scatter;
}

}  // namespace tessera
