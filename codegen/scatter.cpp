#include "codegen/scatter.h"

#include <map>

#include "ir/guards.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// A target and its position, when `part` says `position == target` and the position moves with the
// reduced dims.
std::optional<std::pair<Dim, Expr>> equation(const Expr& part, const Nest& nest) {
  const Apply* apply = as<Apply>(part);
  if (apply == nullptr || apply->fn != Fn::eq) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const std::optional<Dim> target = plain_dim(apply->args[side]);
    const Expr& position = apply->args[1 - side];
    if (!target || !contains(nest.out.dims(), *target)) continue;
    if (!is_integer(position.type()) || contains(position.dims(), *target)) continue;
    if (intersect(position.dims(), nest.reduced).empty()) continue;
    return std::pair{*target, position};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Scatter> find_scatter(const Nest& nest) {
  const DType type = nest.out.type();
  if (!nest.op || type == DType::b8 || sum_type(type) != type) return std::nullopt;
  const GuardedValue guarded = split_guards(nest.body, *nest.op);
  std::map<Dim, Expr> found;
  std::vector<Expr> rest;
  for (const Expr& part : guarded.conditions) {
    const auto pair = equation(part, nest);
    if (!pair || !found.emplace(pair->first, pair->second).second) rest.push_back(part);
  }
  if (found.empty()) return std::nullopt;
  Scatter scatter{{}, {}, join_guards({rest, guarded.value}, *nest.op)};
  for (const auto& [target, position] : found) {
    scatter.targets.push_back(target);
    scatter.positions.push_back(position);
  }
  for (const Expr& position : scatter.positions)
    if (!intersect(position.dims(), scatter.targets).empty()) return std::nullopt;
  for (const Dim& target : scatter.targets) {
    if (!can_pad_reads(scatter.value, target)) return std::nullopt;
    scatter.value = pad_reads(scatter.value, target);
  }
  scatter.value = substitute(scatter.value, found);
  return scatter;
}

}  // namespace tessera
