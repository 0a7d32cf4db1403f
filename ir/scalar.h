#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace tessera {

// One number of a given type. Floats live in `f` (an f32 is held as the double of the same value),
// integers and bool in `i`. While a formula of bf16 or f16 is computed its values have the
// precision of f32; they are rounded where they are stored, converted or compared.
struct Scalar {
  DType type = DType::f32;
  union {
    double f = 0;
    int64_t i;
  };

  static Scalar of_float(DType type, double value);  // rounds to `type`
  static Scalar of_int(DType type, int64_t value);   // wraps to `type`
  static Scalar of_bool(bool value) { return of_int(DType::b8, value ? 1 : 0); }
  // `value` in any type: rounded, truncated towards zero, or compared with zero for bool.
  static Scalar of_number(DType type, double value);

  double number() const { return is_float(type) ? f : static_cast<double>(i); }
  // Same type and same value; NaN equals NaN, and 0.0 differs from -0.0.
  bool operator==(const Scalar& other) const;
};

// The value as a conversion, comparison or store sees it: bf16 and f16 rounded to their type.
Scalar settled(const Scalar& value);

// The least and the greatest value of an integer type or bool.
int64_t least(DType type);
int64_t greatest(DType type);
// Does the type hold the number, rounded to it where it is a float?
bool holds(DType type, double value);
// The numbers of a type, for messages: "true or false", "integers from -128 to 127",
// "numbers up to 65504".
std::string range_of(DType type);

// The scalar functions of the language. Everything the system knows about one stands in one row
// of the table in scalar.cpp (name, arity, types, value), in derivative.cpp (derivative) and in
// scalar_emit.cpp (machine code in terms of an Emitter).
enum class Fn : uint8_t {
  neg,
  abs,
  exp,
  log,
  sqrt,
  tanh,
  sigmoid,
  erf,
  sin,
  cos,
  floor,
  ceil,
  round,
  logical_not,
  cast,
  stop_gradient,  // its argument, with derivative zero; normalize removes it
  checkpoint,     // its argument, as a definition that gradients compute again (see normalize.h)
  add,
  sub,
  mul,
  div,
  floordiv,
  mod,
  pow,
  min,
  max,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  random_bits,  // of a seed and a counter: see base/philox.h
  where
};

enum class TypeRule : uint8_t {
  number,      // any number type, all arguments alike; result the same
  floating,    // any float type, all alike; result the same
  comparison,  // any type, both alike; result bool
  logical,     // bool; result bool
  select,      // bool, then two of one type; result that type
  counter,     // integers, widened to i64; result i64
  conversion   // any to any; the node's own type is the target
};

struct FnInfo {
  Fn fn;
  const char* name;    // as written in a program: "exp", "max", "where"
  const char* symbol;  // infix or prefix operator, or "" : "+", "and"
  int arity;
  TypeRule rule;
  double flops;  // what a roofline counts for one evaluation
};

const FnInfo& info(Fn fn);
const std::vector<FnInfo>& all_functions();
// The function written `name(...)`, or nullptr.
const FnInfo* find_function(std::string_view name);

// The value of one function on constant arguments, exactly as the language defines it: float
// results are rounded to `result` (bf16 and f16: to f32, until they are stored), integer results
// wrap, integer division and mod floor and
// return 0 for a zero divisor, min and max return NaN when either argument is NaN.
Scalar evaluate(Fn fn, std::span<const Scalar> args, DType result);

// The neutral element of a reduction: sum 0, prod 1, max -inf or the least integer, any false.
Scalar identity(ReduceOp op, DType type);
// One step of a reduction; max and min propagate NaN.
Fn function_of(ReduceOp op);  // of two values
Scalar combine(ReduceOp op, const Scalar& a, const Scalar& b);

// The shortest text that reads back as the same value: "0.1", "3", "inf", "true".
std::string describe(const Scalar& value);

}  // namespace tessera
