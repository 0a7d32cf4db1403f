#include "ir/expr_types.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ir/widen.h"

namespace tessera {
namespace {

void check_literal(const Scalar& value, DType type, const SourceLocation& where) {
  if (holds(type, value.number())) return;
  const DType wider = type == DType::f32 ? DType::f64 : sum_type(type);
  throw UserError(where, "the literal " + describe(value) + " does not fit " + name_of(type) +
                             ", which holds " + range_of(type) + "; " +
                             (is_float(type) ? "write inf, or convert" : "convert") +
                             " the other side, as in " + name_of(wider) + "(x)");
}

// Gives args[first …] one type and returns it.
DType unify(Fn fn, std::vector<Expr>& args, size_t first, const SourceLocation& where) {
  const char* name = *info(fn).symbol ? info(fn).symbol : info(fn).name;
  std::optional<DType> type;
  for (size_t i = first; i < args.size(); ++i) {
    if (adopts_type(args[i])) continue;
    const DType found = args[i].type();
    if (!type || (*type == DType::i32 && found == DType::i64)) type = found;
  }
  if (!type) {
    type = DType::i32;
    for (size_t i = first; i < args.size(); ++i)
      if (is_float(args[i].type())) type = DType::f32;
    for (size_t i = first; i < args.size(); ++i)
      if (args[i].type() == DType::b8) type = DType::b8;
  }
  for (size_t i = first; i < args.size(); ++i) {
    if (is_literal(args[i])) {
      args[i] = adopt_literal(args[i], *type, name);
    } else if (args[i].type() == DType::i32 && *type == DType::i64) {
      args[i] = make_cast(DType::i64, args[i], where);
    } else if (may_adopt(args[i], *type)) {
      args[i] = make_cast(*type, args[i], where);
    } else if (args[i].type() != *type) {
      throw UserError(where, "`" + std::string(name) + "` mixes " + name_of(args[first].type()) +
                                 " and " + name_of(args[i].type()) + "; convert one side, as in " +
                                 name_of(*type) + "(x)");
    }
  }
  return *type;
}

void require(bool holds, const FnInfo& row, const char* wants, DType found,
             const SourceLocation& where) {
  if (holds) return;
  throw UserError(where, "`" + std::string(*row.symbol ? row.symbol : row.name) + "` takes " +
                             wants + ", not " + name_of(found));
}

}  // namespace

bool is_literal(const Expr& expr) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr && constant->weak;
}

Expr adopt_literal(const Expr& literal, DType type, const char* fn) {
  const Scalar& value = as<Constant>(literal)->value;
  if (is_float(value.type) && !is_float(type))
    throw UserError(literal.where(), "`" + std::string(fn) + "` mixes the literal " +
                                         describe(value) + " with a value of type " +
                                         name_of(type) + "; write an integer, or convert the " +
                                         "other side, as in f32(x)");
  if (!is_float(value.type) && type == DType::b8)
    throw UserError(literal.where(), "`" + std::string(fn) + "` mixes the literal " +
                                         describe(value) + " with a bool; write true or false");
  check_literal(value, type, literal.where());
  const Scalar typed = is_float(value.type) || is_float(type)
                           ? Scalar::of_number(type, value.number())
                           : Scalar::of_int(type, value.i);
  return make_constant(typed, literal.where());
}

bool adopts_type(const Expr& value) {
  return is_literal(value) || value.node().adopts_type;
}

bool may_adopt(const Expr& value, DType type) {
  const DType from = value.type();
  if (!adopts_type(value)) return false;
  if (from == DType::b8 || type == DType::b8) return from == type;
  return is_float(type) || !is_float(from);
}

Expr adopt(const Expr& value, DType type, const SourceLocation& where) {
  return is_literal(value) ? adopt_literal(value, type, "carry") : make_cast(type, value, where);
}

bool result_adopts_type(TypeRule rule, const std::vector<Expr>& args) {
  const bool selects = rule == TypeRule::select;
  if (!selects && rule != TypeRule::number && rule != TypeRule::floating) return false;
  const auto first = args.begin() + (selects ? 1 : 0);
  return std::all_of(first, args.end(), adopts_type) && !std::all_of(first, args.end(), is_literal);
}

DType result_type(Fn fn, std::vector<Expr>& args, const SourceLocation& where) {
  const FnInfo& row = info(fn);
  switch (row.rule) {
    case TypeRule::number: {
      const DType type = unify(fn, args, 0, where);
      require(type != DType::b8, row, "numbers", type, where);
      return type;
    }
    case TypeRule::floating: {
      for (const Expr& arg : args) {
        if (!is_integer(arg.type()) || adopts_type(arg)) continue;
        if (fn == Fn::div)
          throw UserError(where, std::string("`/` divides floats, and this is ") +
                                     name_of(arg.type()) + "; write // to divide integers, or " +
                                     "convert, as in f32(x) / 2");
        if (fn == Fn::pow)
          throw UserError(where, std::string("`**` is a power of floats, and this is ") +
                                     name_of(arg.type()) + "; write a product, as in x * x, or " +
                                     "convert, as in f32(x) ** 2");
      }
      for (Expr& arg : args)  // sqrt(2) and 1 / 2 are floats
        if (is_literal(arg) && is_integer(arg.type())) {
          arg = make_literal(as<Constant>(arg)->value.number(), false, arg.where());
        } else if (adopts_type(arg) && is_integer(arg.type())) {
          arg = make_node({Apply{Fn::cast, {arg}}, DType::f32, arg.dims(), where, true});
        }
      const DType type = unify(fn, args, 0, where);
      require(is_float(type), row, "a float (f32, f64, bf16 or f16)", type, where);
      return type;
    }
    case TypeRule::comparison:
      unify(fn, args, 0, where);
      return DType::b8;
    case TypeRule::logical:
      for (const Expr& arg : args) require(arg.type() == DType::b8, row, "bool", arg.type(), where);
      return DType::b8;
    case TypeRule::select:
      require(args[0].type() == DType::b8, row, "a bool as its condition", args[0].type(), where);
      return unify(fn, args, 1, where);
    case TypeRule::counter:
      for (Expr& arg : args) {
        require(is_integer(arg.type()), row, "integers", arg.type(), where);
        arg = is_literal(arg) ? adopt_literal(arg, DType::i64, row.name)
                              : make_cast(DType::i64, arg, where);
      }
      return DType::i64;
    case TypeRule::conversion:
      break;
  }
  TESSERA_CHECK(false) << "make_cast makes casts";
  return DType::f32;
}

Expr fold_literals(const FnInfo& row, const std::vector<Expr>& args, const SourceLocation& where) {
  bool integer = row.rule == TypeRule::number;
  for (const Expr& arg : args) integer = integer && is_integer(arg.type());
  const DType type = integer ? DType::i64 : DType::f64;
  std::vector<Scalar> values;
  for (const Expr& arg : args) {
    const Scalar& value = as<Constant>(arg)->value;
    values.push_back(integer ? Scalar::of_int(type, value.i)
                             : Scalar::of_float(type, value.number()));
  }
  const Scalar result = evaluate(row.fn, values, type);
  // 100000 * 100000 is the i64 number that it says; literals fit i32, so nothing leaves i64.
  if (integer && result.i != static_cast<int32_t>(result.i)) return make_constant(result, where);
  return make_literal(result.number(), integer, where);
}

}  // namespace tessera
