#include "codegen/scan.h"

#include <algorithm>
#include <vector>

#include "ir/guards.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

// s * (in - out) + k <= 0 with s = 1 or -1.
struct Order {
  Dim out;
  int64_t sign = 1;
  int64_t constant = 0;
};

// `left - right` of a comparison between whole numbers, turned so that it must not be above 0.
std::optional<Affine> difference(const Apply& comparison) {
  const bool less = comparison.fn == Fn::le || comparison.fn == Fn::lt;
  const bool greater = comparison.fn == Fn::ge || comparison.fn == Fn::gt;
  if ((!less && !greater) || !is_integer(comparison.args[0].type())) return std::nullopt;
  const std::optional<Affine> left = affine_form(comparison.args[less ? 0 : 1]);
  const std::optional<Affine> right = affine_form(comparison.args[less ? 1 : 0]);
  if (!left || !right) return std::nullopt;
  Affine result = *left;
  result.constant -= right->constant;
  for (const auto& [dim, coefficient] : right->terms)
    if ((result.terms[dim] -= coefficient) == 0) result.terms.erase(dim);
  if (comparison.fn == Fn::lt || comparison.fn == Fn::gt) ++result.constant;
  return result;
}

std::optional<Order> order_of(const Expr& condition, const Nest& nest) {
  const Apply* comparison = as<Apply>(condition);
  if (comparison == nullptr) return std::nullopt;
  const std::optional<Affine> form = difference(*comparison);
  if (!form || form->terms.size() != 2) return std::nullopt;
  const Dim& in = nest.reduced[0];
  const auto mine = form->terms.find(in);
  if (mine == form->terms.end()) return std::nullopt;
  const auto& other = mine == form->terms.begin() ? *form->terms.rbegin() : *form->terms.begin();
  const int64_t sign = mine->second;
  if ((sign != 1 && sign != -1) || other.second != -sign) return std::nullopt;
  if (!contains(nest.out.dims(), other.first)) return std::nullopt;
  return Order{other.first, sign, form->constant};
}

}  // namespace

std::optional<Scan> find_scan(const Nest& nest) {
  if (!nest.op || nest.reduced.size() != 1 || nest.reduced[0].extent() < 2) return std::nullopt;
  const GuardedValue guarded = split_guards(nest.body, *nest.op);
  for (size_t i = 0; i < guarded.conditions.size(); ++i) {
    const std::optional<Order> order = order_of(guarded.conditions[i], nest);
    if (!order || order->out.extent() < 2) continue;
    GuardedValue rest = guarded;
    rest.conditions.erase(rest.conditions.begin() + static_cast<std::ptrdiff_t>(i));
    const Expr value = join_guards(rest, *nest.op);
    if (contains(value.dims(), order->out)) continue;
    return Scan{.out = order->out,
                .in = nest.reduced[0],
                .descending = order->sign < 0,
                .offset = order->sign < 0 ? order->constant : -order->constant,
                .value = value};
  }
  return std::nullopt;
}

double share_of_steps(const Scan& scan) {
  const auto out = static_cast<double>(scan.out.extent());
  const auto in = static_cast<double>(scan.in.extent());
  return std::min(1.0, (out + in) / (out * in));
}

}  // namespace tessera
