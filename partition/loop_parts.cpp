#include "partition/loop_parts.h"

#include <algorithm>
#include <cstdlib>

#include "ir/floor_division.h"
#include "ir/part_range.h"

namespace tessera {
namespace {

IndexRange range_of(const Interval& interval) {
  return {interval.begin, interval.end - 1};
}

// The first index of `loop` in `within` at which the equation may hold, or the last one; the end or
// the beginning if there is none. Halves are looked into only where it may hold at all.
template <typename MayHold>
std::optional<int64_t> outermost(const Interval& within, bool first, const MayHold& may_hold) {
  if (within.size() <= 0 || !may_hold(within)) return std::nullopt;
  if (within.size() == 1) return within.begin;
  const int64_t middle = within.begin + within.size() / 2;
  const Interval low{within.begin, middle}, high{middle, within.end};
  const std::optional<int64_t> near = outermost(first ? low : high, first, may_hold);
  return near ? near : outermost(first ? high : low, first, may_hold);
}

}  // namespace

Interval LoopParts::block(const Dim& loop) const {
  return tessera::block(loop.extent(), rules_.loop_axes(loop, assignment_), mesh_, rank_);
}

Interval LoopParts::of(const Dim& loop) const {
  Interval part = block(loop);
  if (!contains(rules_.nest().reduced, loop) || part.size() < loop.extent()) return part;
  for (const Equation& equation : rules_.equations())
    if (contains(equation.dims, loop)) part = narrowed(loop, equation, part);
  return part;
}

Interval LoopParts::narrowed(const Dim& loop, const Equation& equation,
                             const Interval& within) const {
  if (equation.zero) {  // coefficient * loop == -rest
    int64_t low = equation.zero->constant;
    int64_t high = low;
    for (const auto& [dim, coefficient] : equation.zero->terms) {
      if (dim == loop) continue;
      const Interval range = block(dim);
      if (range.size() == 0) return {within.begin, within.begin};
      low += coefficient * (coefficient > 0 ? range.begin : range.end - 1);
      high += coefficient * (coefficient > 0 ? range.end - 1 : range.begin);
    }
    const int64_t coefficient = equation.zero->terms.at(loop);
    const int64_t by = std::abs(coefficient);
    const IndexRange times = coefficient < 0 ? IndexRange{low, high} : IndexRange{-high, -low};
    return intersect(within, {-floor_div(-times.low, by), floor_div(times.high, by) + 1});
  }
  const auto may_hold = [&](const Interval& part) {
    return may_be_equal(equation.left, equation.right,
                        [&](const Dim& dim) { return range_of(dim == loop ? part : block(dim)); });
  };
  const std::optional<int64_t> first = outermost(within, true, may_hold);
  if (!first) return {within.begin, within.begin};
  return {*first, *outermost(within, false, may_hold) + 1};
}

std::optional<IndexRange> LoopParts::range(const Expr& index, bool& empty) const {
  return index_range(index, [&](const Dim& dim) {
    const Interval part = of(dim);
    empty = empty || part.size() == 0;
    return part.size() == 0 ? IndexRange{0, 0} : range_of(part);
  });
}

std::optional<Interval> LoopParts::reach(const Expr& index, int64_t extent) const {
  bool empty = false;
  const std::optional<IndexRange> range = this->range(index, empty);
  if (empty) return Interval{0, 0};
  if (!range) return std::nullopt;
  const Interval cut = intersect({range->low, range->high + 1}, {0, extent});
  return cut.size() > 0 ? cut : Interval{0, 0};
}

Interval LoopParts::reach_around(const Expr& index, int64_t extent) const {
  bool empty = false;
  const std::optional<IndexRange> range = this->range(index, empty);
  if (empty || extent == 0) return {0, 0};
  if (!range || range->high - range->low + 1 >= extent) return {0, extent};
  const int64_t begin = floor_mod(range->low, extent);
  return {begin, begin + range->high - range->low + 1};
}

std::optional<Expr> around_of(const Expr& index, int64_t extent) {
  const Apply* apply = as<Apply>(index);
  if (apply == nullptr || apply->fn != Fn::mod || !affine_form(apply->args[0])) return std::nullopt;
  const std::optional<Affine> by = affine_form(apply->args[1]);
  if (!by || !by->terms.empty() || by->constant != extent) return std::nullopt;
  return apply->args[0];
}

bool may_narrow(const NestRules& rules, const Dim& loop) {
  if (!contains(rules.nest().reduced, loop)) return false;
  return std::any_of(rules.equations().begin(), rules.equations().end(),
                     [&](const Equation& equation) { return contains(equation.dims, loop); });
}

Axes axes_of_reach(const Expr& index, const NestRules& rules, const Assignment& assignment,
                   const Mesh& mesh) {
  Dims dims = index.dims();
  if (const std::optional<Affine> form = affine_form(index)) {
    std::erase_if(dims, [&](const Dim& dim) { return form->terms.count(dim) == 0; });
    std::stable_sort(dims.begin(), dims.end(), [&](const Dim& a, const Dim& b) {
      return std::abs(form->terms.at(a)) > std::abs(form->terms.at(b));
    });
  }
  Axes axes;
  const auto add = [&](const Dim& loop) {
    for (const int axis : rules.loop_axes(loop, assignment))
      if (mesh.size(axis) > 1 && std::find(axes.begin(), axes.end(), axis) == axes.end())
        axes.push_back(axis);
  };
  for (const Dim& dim : dims) {
    add(dim);
    if (!contains(rules.nest().reduced, dim) || !rules.loop_axes(dim, assignment).empty()) continue;
    for (const Equation& equation : rules.equations())
      if (contains(equation.dims, dim))
        for (const Dim& other : equation.dims) add(other);
  }
  return axes;
}

}  // namespace tessera
