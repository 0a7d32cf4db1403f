#include "ir/remainders.h"

#include <functional>
#include <utility>

#include "ir/floor_division.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// An affine form and what it is divided by.
struct Division {
  Affine form;
  int64_t divisor = 1;
};

struct Remainder {
  Division division;
  int64_t rest = 0;
};

// What `expr` divides where it is `fn` of an affine form and a number above 1.
std::optional<Division> division_of(const Expr& expr, Fn fn) {
  const Apply* apply = as<Apply>(expr);
  if (apply == nullptr || apply->fn != fn || !is_integer(expr.type())) return std::nullopt;
  const std::optional<Affine> form = affine_form(apply->args[0]);
  const std::optional<Affine> divisor = affine_form(apply->args[1]);
  if (!form || !divisor || !divisor->terms.empty() || divisor->constant < 2) return std::nullopt;
  return Division{*form, divisor->constant};
}

// A division by `fn` on one side of an equation, and the affine form on the other.
std::optional<std::pair<Division, Affine>> divided_equation(const Expr& condition, Fn fn) {
  const Apply* apply = as<Apply>(condition);
  if (apply == nullptr || apply->fn != Fn::eq) return std::nullopt;
  for (const size_t side : {0, 1}) {
    const std::optional<Division> division = division_of(apply->args[side], fn);
    const std::optional<Affine> other = affine_form(apply->args[1 - side]);
    if (division && other) return std::make_pair(*division, *other);
  }
  return std::nullopt;
}

std::optional<Remainder> remainder_of(const Expr& condition) {
  const auto equation = divided_equation(condition, Fn::mod);
  if (!equation || !equation->second.terms.empty()) return std::nullopt;
  const int64_t rest = equation->second.constant;
  if (rest < 0 || rest >= equation->first.divisor) return std::nullopt;
  return Remainder{equation->first, rest};
}

// By how much `of` is above the form that leaves the remainder; nothing where dims tell, or where
// it is divided by something else.
std::optional<int64_t> distance(const Remainder& remainder, const Division& of) {
  if (of.divisor != remainder.division.divisor || of.form.terms != remainder.division.form.terms)
    return std::nullopt;
  return of.form.constant - remainder.division.form.constant;
}

// divisor*quotient + rest == form
Expr equation(const Division& division, const Expr& quotient, int64_t rest) {
  const Expr times = make_apply(Fn::mul, {to_expr(Affine{{}, division.divisor}), quotient});
  Affine left = division.form;
  left.constant -= rest;
  return make_apply(Fn::eq, {to_expr(left), times});
}

// With `quotient` for what `is_quotient` and, where `is_plain`, is nothing but the quotient: are
// all reads still inside of their tensors?
bool stays_inside(const Expr& expr, const Dim& quotient,
                  const std::function<bool(const Expr&)>& is_quotient,
                  const std::function<bool(const Expr&)>& is_plain) {
  return !any_node(expr, [&](const Expr& node) {
    const Read* read = as<Read>(node);
    for (size_t i = 0; read != nullptr && i < read->indices.size(); ++i) {
      const Index& index = read->indices[i];
      if (index.padded || !any_node(index.value, is_quotient)) continue;
      const bool fits = read->tensor.dims()[i].extent() >= quotient.extent();
      if (!fits || !is_plain(index.value)) return true;
    }
    return false;
  });
}

}  // namespace

std::vector<Expr> join_remainders(const std::vector<Expr>& conditions) {
  std::vector<Expr> result = conditions;
  for (const Expr& condition : conditions) {
    const std::optional<Remainder> remainder = remainder_of(condition);
    if (!remainder) continue;
    bool joined = false;
    for (Expr& each : result) {
      const auto quotient = divided_equation(each, Fn::floordiv);
      if (!quotient) continue;
      const auto above = distance(*remainder, quotient->first);
      if (!above) continue;
      const int64_t rest = floor_mod(remainder->rest + *above, quotient->first.divisor);
      each = equation(quotient->first, to_expr(quotient->second), rest);
      joined = true;
    }
    if (!joined) continue;
    std::vector<Expr> others;
    for (const Expr& each : result)
      if (!each.is(condition)) others.push_back(each);
    result = others;
  }
  return result;
}

std::optional<Unfolded> unfold_remainder(const GuardedValue& guarded, size_t place) {
  const std::optional<Remainder> remainder = remainder_of(guarded.conditions[place]);
  if (!remainder) return std::nullopt;
  const auto is_quotient = [&](const Expr& expr) {
    const std::optional<Division> division = division_of(expr, Fn::floordiv);
    return division && distance(*remainder, *division);
  };
  // The dim that is read at a quotient outside of which nothing is added.
  std::optional<Dim> read_dim;
  Expr anchor = guarded.value;
  any_node(guarded.value, [&](const Expr& node) {
    const Read* read = as<Read>(node);
    for (size_t i = 0; read != nullptr && !read_dim && i < read->indices.size(); ++i) {
      const Dim& dim = read->tensor.dims()[i];
      GuardedValue inside{{}, guarded.value};
      if (!is_quotient(read->indices[i].value)) continue;
      guard_inside(inside, read->indices[i].value, dim.extent(), ReduceOp::sum);
      if (!inside.conditions.empty()) continue;
      read_dim = dim;
      anchor = read->indices[i].value;
    }
    return read_dim.has_value();
  });
  if (!read_dim) return std::nullopt;
  const Dim quotient(read_dim->name(), read_dim->extent(), read_dim->where());
  const Division anchored = *division_of(anchor, Fn::floordiv);
  const int64_t divisor = anchored.divisor;
  const int64_t rest = floor_mod(remainder->rest + *distance(*remainder, anchored), divisor);
  // What is added to the quotient where the dividend is another one.
  const auto shift_of = [&](const Expr& node) {
    const Affine form = division_of(node, Fn::floordiv)->form;
    return floor_div(rest + form.constant - anchored.form.constant, divisor);
  };
  const auto is_plain = [&](const Expr& node) { return is_quotient(node) && shift_of(node) == 0; };
  if (!stays_inside(join_guards(guarded), quotient, is_quotient, is_plain)) return std::nullopt;
  const auto replaced = [&](const Expr& expr) {
    return transform(expr, [&](const Expr& node) -> Expr {
      return is_quotient(node) ? to_expr(Affine{{{quotient, 1}}, shift_of(node)}) : node;
    });
  };
  Unfolded result{{{}, replaced(guarded.value)}, quotient};
  for (size_t i = 0; i < guarded.conditions.size(); ++i)
    result.guarded.conditions.push_back(i == place ? equation(anchored, make_index(quotient), rest)
                                                   : replaced(guarded.conditions[i]));
  return result;
}

}  // namespace tessera
