#pragma once

#include <cstdint>
#include <vector>

#include "ir/scalar.h"

namespace tessera {

// What can be done to a value, or to every lane of a vector of values, in straight-line code. The
// expansions below are written in terms of it, so that one formula serves vectors in LLVM, GPU
// threads and, in tests, plain floats. A Value is opaque: its maker knows what the bits mean.
//
// Floating values are f32 unless said otherwise ("wide" values are f64); integers are i32; truths
// are results of comparisons. Integer arithmetic wraps.
class Emitter {
 public:
  struct Value {
    uint64_t bits = 0;
  };
  virtual ~Emitter() = default;

  virtual Value real(double value) = 0;  // an f32 constant
  virtual Value wide(double value) = 0;  // an f64 constant
  virtual Value integer(int32_t value) = 0;

  // Of two f32 or two f64.
  virtual Value add(Value a, Value b) = 0;
  virtual Value sub(Value a, Value b) = 0;
  virtual Value mul(Value a, Value b) = 0;
  virtual Value div(Value a, Value b) = 0;
  virtual Value fma(Value a, Value b, Value c) = 0;  // a * b + c, rounded once
  virtual Value neg(Value a) = 0;
  virtual Value abs(Value a) = 0;
  virtual Value floor(Value a) = 0;
  virtual Value round(Value a) = 0;  // to the nearest integer, half to even
  virtual Value copysign(Value magnitude, Value sign) = 0;

  // Comparisons are false when either side is NaN.
  virtual Value less(Value a, Value b) = 0;
  virtual Value equal(Value a, Value b) = 0;
  virtual Value is_nan(Value a) = 0;
  virtual Value both(Value a, Value b) = 0;
  virtual Value either(Value a, Value b) = 0;
  virtual Value negate(Value truth) = 0;
  virtual Value select(Value truth, Value a, Value b) = 0;

  virtual Value int_add(Value a, Value b) = 0;
  virtual Value int_sub(Value a, Value b) = 0;
  virtual Value int_and(Value a, Value b) = 0;
  virtual Value shift_left(Value a, int bits) = 0;
  virtual Value shift_right(Value a, int bits) = 0;  // keeps the sign
  virtual Value int_equal(Value a, Value b) = 0;
  virtual Value int_less(Value a, Value b) = 0;

  virtual Value bits_of(Value f32) = 0;      // the pattern, as i32
  virtual Value from_bits(Value i32) = 0;    // the f32 with that pattern
  virtual Value to_int(Value a) = 0;         // of an f32 or f64 that holds a small integer
  virtual Value to_real(Value i32) = 0;      // as f32
  virtual Value widen(Value f32) = 0;        // as f64
  virtual Value narrow(Value f64) = 0;       // as f32, rounded
  virtual Value int_to_wide(Value i32) = 0;  // as f64
  // a * 2 ** n of f32, rounded once, for 0.5 <= |a| < 2 and whole numbers -252 <= n <= 254; NaN
  // where either is NaN.
  virtual Value scale(Value a, Value n);
  // 1 / a of f32 for normal numbers between 1 and 2 ** 125, off by a unit in the last place at
  // most.
  virtual Value inverse(Value a) { return div(real(1), a); }
  // 2 ** exponent as f64, for -1022 <= exponent <= 1023.
  virtual Value wide_power_of_two(Value exponent) = 0;

  // `usual`, but where `rare` holds the value of the system's own f32 function on `arg`. Few
  // lanes, if any, are expected to take that way.
  virtual Value otherwise(Value rare, Value usual, Fn fn, Value arg) = 0;
};

// The f32 value of exp, log, tanh, sigmoid, erf, sin, cos or pow, expanded. Infinities, NaN,
// signed zeros and denormal numbers are treated as by the C library. Greatest errors found, in
// units in the last place (tests/ir/scalar_emit_test.cpp samples densely):
//
//   exp 1.3   log 0.8   tanh 1.4   sigmoid 2.7   erf 2.3   sin 1.6   cos 1.6   pow 0.51
Emitter::Value emit_f32(Fn fn, Emitter& emitter, const std::vector<Emitter::Value>& args);

// Is there such an expansion?
bool has_expansion(Fn fn);

}  // namespace tessera
