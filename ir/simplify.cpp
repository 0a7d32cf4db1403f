#include "ir/simplify.h"

#include "ir/each_child.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool is_number(const Expr& expr, double value) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr && constant->value.type != DType::b8 &&
         constant->value.number() == value;
}

// x + 0.0 is not x for x = -0.0, but x + -0.0 and x - 0.0 are; sums of adjoints never make the
// difference visible, and a program that adds the literal 0 means nothing by it.
bool is_zero(const Expr& expr) {
  return is_number(expr, 0);
}

bool is_bool(const Expr& expr, bool value) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr && constant->value.type == DType::b8 &&
         (constant->value.i != 0) == value;
}

bool is_neg(const Expr& expr) {
  const Apply* apply = as<Apply>(expr);
  return apply != nullptr && apply->fn == Fn::neg;
}

Expr fold(const Expr& expr, const Apply& apply) {
  std::vector<Scalar> values;
  for (const Expr& arg : apply.args) {
    const Constant* constant = as<Constant>(arg);
    if (constant == nullptr || constant->weak) return expr;
    values.push_back(constant->value);
  }
  return make_constant(settled(evaluate(apply.fn, values, expr.type())), expr.where());
}

// Few multiplications instead of a logarithm and an exponential. They agree at 0, infinity and NaN,
// and are as exact to a rounding or two.
Expr simplify_power(const Expr& expr, const Expr& base, const Expr& exponent) {
  const auto times = [&](const Expr& x, const Expr& y) {
    return make_apply(Fn::mul, {x, y}, expr.where());
  };
  if (is_number(exponent, 1)) return base;
  if (is_number(exponent, 2)) return times(base, base);
  if (is_number(exponent, 3)) return times(times(base, base), base);
  if (is_number(exponent, 4)) {
    const Expr square = times(base, base);
    return times(square, square);
  }
  if (!is_number(exponent, -1)) return expr;
  const Expr one = make_constant(Scalar::of_float(expr.type(), 1), expr.where());
  return make_apply(Fn::div, {one, base}, expr.where());
}

Expr simplify_binary(const Expr& expr, const Apply& apply) {
  const Expr& a = apply.args[0];
  const Expr& b = apply.args[1];
  switch (apply.fn) {
    case Fn::add:
      if (is_zero(a)) return b;
      if (is_zero(b)) return a;
      if (is_neg(b)) return make_apply(Fn::sub, {a, as<Apply>(b)->args[0]}, expr.where());
      if (is_neg(a)) return make_apply(Fn::sub, {b, as<Apply>(a)->args[0]}, expr.where());
      return expr;
    case Fn::sub:
      if (is_zero(b)) return a;
      if (is_neg(b)) return make_apply(Fn::add, {a, as<Apply>(b)->args[0]}, expr.where());
      return expr;
    case Fn::mul:
      if (is_number(a, 1)) return b;
      if (is_number(b, 1)) return a;
      if (is_number(a, -1)) return make_apply(Fn::neg, {b}, expr.where());
      if (is_number(b, -1)) return make_apply(Fn::neg, {a}, expr.where());
      return expr;
    case Fn::div:
      return is_number(b, 1) ? a : expr;
    case Fn::pow:
      return simplify_power(expr, a, b);
    case Fn::logical_and:
      return is_bool(a, false) || is_bool(b, true)   ? a
             : is_bool(b, false) || is_bool(a, true) ? b
                                                     : expr;
    case Fn::logical_or:
      return is_bool(a, true) || is_bool(b, false)   ? a
             : is_bool(b, true) || is_bool(a, false) ? b
                                                     : expr;
    default:
      return expr;
  }
}

// bf16(f32(x)) of a bf16 tensor x is x.
Expr back_and_forth(const Expr& expr, const Apply& outer) {
  const Apply* inner = as<Apply>(outer.args[0]);
  if (inner == nullptr || inner->fn != Fn::cast) return expr;
  const bool exact = is_half(expr.type()) && is_float(outer.args[0].type()) &&
                     !is_half(outer.args[0].type()) && as<Read>(inner->args[0]) != nullptr;
  return exact && inner->args[0].type() == expr.type() ? inner->args[0] : expr;
}

Expr simplify_node(const Expr& expr) {
  const Apply* apply = as<Apply>(expr);
  if (apply == nullptr) return expr;
  Expr folded = fold(expr, *apply);
  if (!folded.is(expr)) return folded;
  if (apply->fn == Fn::cast) return back_and_forth(expr, *apply);
  if (apply->fn == Fn::neg && is_neg(apply->args[0])) return as<Apply>(apply->args[0])->args[0];
  if (apply->fn == Fn::where) {
    if (const Constant* condition = as<Constant>(apply->args[0]))
      return apply->args[condition->value.i != 0 ? 1 : 2];
    return equivalent(apply->args[1], apply->args[2]) ? apply->args[1] : expr;
  }
  return apply->args.size() == 2 ? simplify_binary(expr, *apply) : expr;
}

}  // namespace

Expr simplify(const Expr& expr) {
  return Simplifier()(expr);
}

Expr Simplifier::operator()(const Expr& expr) {
  if (const auto it = done_.find(&expr.node()); it != done_.end()) return it->second.to;
  std::vector<Expr> after;
  bool changed = false;
  each_child(expr, [&](const Expr& child) {
    after.push_back((*this)(child));
    changed = changed || !after.back().is(child);
  });
  Expr result = changed ? with_children(expr, after) : expr;
  // A formula keeps its dims even where its value no longer depends on them: they say how far a
  // reduction or an update reaches.
  for (Expr simpler = simplify_node(result); !simpler.is(result) && simpler.dims() == result.dims();
       simpler = simplify_node(result))
    result = simpler;
  done_.emplace(&result.node(), Done{result, result});
  done_.emplace(&expr.node(), Done{expr, result});
  return result;
}

}  // namespace tessera
