#include "ir/widen.h"

#include <unordered_map>

namespace tessera {
namespace {

using Done = std::unordered_map<const ExprNode*, Expr>;

Expr widen(const Expr& expr, Done& done);

Expr widen_node(const Expr& expr, Done& done) {
  if (const Constant* constant = as<Constant>(expr))
    return make_constant(Scalar::of_float(DType::f32, constant->value.number()), expr.where());
  const Apply* apply = as<Apply>(expr);
  if (apply == nullptr || apply->fn == Fn::cast) return make_cast(DType::f32, expr, expr.where());
  std::vector<Expr> args;
  for (const Expr& arg : apply->args) args.push_back(widen(arg, done));
  return make_apply(apply->fn, std::move(args), expr.where());
}

Expr widen(const Expr& expr, Done& done) {
  if (!is_half(expr.type())) return expr;
  if (const auto it = done.find(&expr.node()); it != done.end()) return it->second;
  Expr result = widen_node(expr, done);
  done.emplace(&expr.node(), result);
  return result;
}

Expr without_rounding(const Expr& expr, Done& done) {
  const Apply* apply = as<Apply>(expr);
  if (!is_half(expr.type()) || apply == nullptr) return widened(expr);
  if (apply->fn == Fn::cast && apply->args[0].type() == DType::f32) return apply->args[0];
  if (apply->fn != Fn::add) return widened(expr);
  if (const auto it = done.find(&expr.node()); it != done.end()) return it->second;
  Expr result = make_apply(
      Fn::add, {without_rounding(apply->args[0], done), without_rounding(apply->args[1], done)},
      expr.where());
  done.emplace(&expr.node(), result);
  return result;
}

}  // namespace

Expr widened(const Expr& expr) {
  Done done;
  return widen(expr, done);
}

Expr unrounded(const Expr& expr) {
  Done done;
  return without_rounding(expr, done);
}

}  // namespace tessera
