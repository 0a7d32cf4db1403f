#include "ir/scalar_emit.h"

#include <cmath>
#include <initializer_list>
#include <limits>

#include "base/error.h"

namespace tessera {
namespace {

using Value = Emitter::Value;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;
// ln 2 in two f32 parts, the first with few enough bits that a multiple by an exponent is exact.
constexpr double kLn2High = 0.693359375;
constexpr double kLn2Low = -2.12194440054690583e-4;

// Horner's rule; coefficients from the constant term up, by Chebyshev fits in 40 digits.
Value polynomial(Emitter& e, Value x, std::initializer_list<double> coefficients) {
  const double* last = coefficients.end() - 1;
  Value sum = e.real(*last);
  while (last != coefficients.begin()) sum = e.fma(sum, x, e.real(*--last));
  return sum;
}

Value wide_polynomial(Emitter& e, Value x, std::initializer_list<double> coefficients) {
  const double* last = coefficients.end() - 1;
  Value sum = e.wide(*last);
  while (last != coefficients.begin()) sum = e.fma(sum, x, e.wide(*--last));
  return sum;
}

// 2 ** n as f32 for -126 <= n <= 127.
Value power_of_two(Emitter& e, Value n) {
  return e.from_bits(e.shift_left(e.int_add(n, e.integer(127)), 23));
}

Value clamp(Emitter& e, Value x, double low, double high) {  // NaN stays NaN
  const Value above = e.select(e.less(x, e.real(low)), e.real(low), x);
  return e.select(e.less(e.real(high), above), e.real(high), above);
}

// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial.
Value emit_exp(Emitter& e, Value x) {
  const Value bounded = clamp(e, x, -104.5, 89.0);
  const Value n = e.round(e.mul(bounded, e.real(kLog2E)));
  const Value rough = e.fma(n, e.real(-kLn2High), bounded);
  const Value r = e.fma(n, e.real(-kLn2Low), rough);
  const Value p =
      polynomial(e, r, {0.5, 0.166665760623, 0.0416665534587, 0.00836333308218, 0.00139263759958});
  return e.scale(e.fma(e.mul(r, r), p, e.add(r, e.real(1))), n);
}

// x = m 2**k with m in [sqrt(1/2), sqrt(2)); log m by a polynomial in m - 1.
Value emit_log(Emitter& e, Value x) {
  const Value tiny = e.less(x, e.real(1.17549435e-38));
  const Value normal = e.select(tiny, e.mul(x, e.real(8388608.0)), x);
  const Value bits = e.bits_of(normal);
  // Subtracting the pattern of sqrt(1/2) leaves the exponent of m's octave in the top bits.
  const Value from_root = e.int_sub(bits, e.integer(0x3f3504f3));
  const Value octave = e.shift_right(from_root, 23);
  const Value m = e.from_bits(e.int_sub(bits, e.shift_left(octave, 23)));
  const Value k = e.to_real(e.int_add(octave, e.select(tiny, e.integer(-23), e.integer(0))));
  const Value f = e.sub(m, e.real(1));
  const Value p =
      polynomial(e, f,
                 {0.333333311743, -0.249999969254, 0.200007172131, -0.16667807133, 0.142490072406,
                  -0.124255233599, 0.11685784721, -0.114812120585, 0.0697251863388});
  const Value square = e.mul(f, f);
  Value low = e.mul(e.mul(f, square), p);
  low = e.fma(k, e.real(kLn2Low), low);
  low = e.fma(square, e.real(-0.5), low);
  Value value = e.fma(k, e.real(kLn2High), e.add(f, low));
  value = e.select(e.equal(x, e.real(kInfinity)), x, value);
  value = e.select(e.equal(x, e.real(0)), e.real(-kInfinity), value);
  value = e.select(e.less(x, e.real(0)), e.real(std::nan("")), value);
  return e.select(e.is_nan(x), x, value);
}

Value emit_tanh(Emitter& e, Value x) {
  const Value size = e.abs(x);
  const Value square = e.mul(x, x);
  const Value p = polynomial(
      e, square,
      {-0.333333288785, 0.133327631238, -0.0538499054648, 0.0209924219267, -0.00608980268566});
  const Value small = e.fma(e.mul(x, square), p, x);
  // 1 - 2 / (e^2|x| + 1); at 9.1 the f32 result is 1.
  const Value bounded = e.select(e.less(e.real(9.1), size), e.real(9.1), size);
  const Value growth = emit_exp(e, e.add(bounded, bounded));
  const Value large = e.fma(e.inverse(e.add(growth, e.real(1))), e.real(-2), e.real(1));
  return e.copysign(e.select(e.less(size, e.real(0.625)), small, large), x);
}

// 1 / (1 + e^-x), with e^-|x| so that nothing overflows.
Value emit_sigmoid(Emitter& e, Value x) {
  const Value decay = emit_exp(e, e.neg(e.abs(x)));
  const Value top = e.select(e.less(x, e.real(0)), decay, e.real(1));
  return e.mul(top, e.inverse(e.add(decay, e.real(1))));
}

Value emit_erf(Emitter& e, Value x) {
  const Value size = e.abs(x);
  const Value square = e.mul(x, x);
  const Value p = polynomial(e, square,
                             {1.12837916668, -0.376126340805, 0.112837002435, -0.0268596383602,
                              0.00520158272818, -0.000814853295303, 8.39327889258e-5});
  const Value small = e.mul(x, p);
  // 1 - e^-q(|x|), where q fits -log(erfc); at 3.95 the f32 result is 1.
  const Value bounded = e.select(e.less(e.real(3.95), size), e.real(3.95), size);
  const Value q = polynomial(
      e, bounded,
      {-0.000325905361998, 1.13026178344, 0.631769514483, 0.110140559383, -0.0264594151754,
       0.00477437745893, -0.000600225017862, 4.64933627066e-5, -1.66059633836e-6});
  const Value large = e.sub(e.real(1), emit_exp(e, e.neg(q)));
  return e.select(e.less(size, e.real(0.921)), small, e.copysign(large, x));
}

// x = k pi/2 + r, reduced in f64; beyond 2**28 the reduction would lose bits and the C library's
// function is called.
Value emit_sin_cos(Emitter& e, Value x, bool cosine) {
  const Value rare = e.less(e.real(268435456.0), e.abs(x));
  const Value unusual = e.either(rare, e.is_nan(x));
  const Value bounded = e.select(unusual, e.real(0), x);
  const Value wide = e.widen(bounded);
  const Value k = e.round(e.mul(wide, e.wide(0.63661977236758138)));
  Value rest = e.fma(k, e.wide(-1.5707963267948966), wide);
  rest = e.fma(k, e.wide(-6.123233995736766e-17), rest);
  const Value r = e.narrow(rest);
  const Value square = e.mul(r, r);
  const Value s =
      e.fma(e.mul(r, square),
            polynomial(e, square, {-0.16666664647, 0.00833274529736, -0.000195872493217}), r);
  const Value c =
      e.fma(e.mul(square, square),
            polynomial(e, square, {0.0416666646442, -0.00138883000566, 2.45472991725e-5}),
            e.fma(square, e.real(-0.5), e.real(1)));
  const Value whole = e.to_int(k);
  const Value quadrant = cosine ? e.int_add(whole, e.integer(1)) : whole;
  const Value odd = e.int_equal(e.int_and(quadrant, e.integer(1)), e.integer(1));
  const Value turned = e.int_equal(e.int_and(quadrant, e.integer(2)), e.integer(2));
  const Value value = e.select(odd, c, s);
  const Value usual = e.select(turned, e.neg(value), value);
  const Value result = e.otherwise(rare, usual, cosine ? Fn::cos : Fn::sin, x);
  // Keeps NaN, and the sign of sin(-0).
  const Value kept = cosine ? e.is_nan(x) : e.either(e.is_nan(x), e.equal(x, e.real(0)));
  return e.select(kept, x, result);
}

// log2 of a positive finite f32, in f64, to about 1e-12: log m = 2 atanh((m - 1) / (m + 1)).
Value wide_log2(Emitter& e, Value x) {
  const Value tiny = e.less(x, e.real(1.17549435e-38));
  const Value normal = e.select(tiny, e.mul(x, e.real(8388608.0)), x);
  const Value bits = e.bits_of(normal);
  const Value octave = e.shift_right(e.int_sub(bits, e.integer(0x3f3504f3)), 23);
  const Value m = e.widen(e.from_bits(e.int_sub(bits, e.shift_left(octave, 23))));
  const Value k = e.int_add(octave, e.select(tiny, e.integer(-23), e.integer(0)));
  const Value s = e.div(e.sub(m, e.wide(1)), e.add(m, e.wide(1)));
  const Value square = e.mul(s, s);
  const Value series = wide_polynomial(
      e, square, {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15});
  return e.fma(e.mul(s, series), e.wide(2 * kLog2E), e.int_to_wide(k));
}

// 2 ** t for |t| <= 1000, in f64, to about 1e-11.
Value wide_exp2(Emitter& e, Value t) {
  const Value n = e.round(t);
  const Value r = e.mul(e.sub(t, n), e.wide(kLn2));
  const Value p = wide_polynomial(e, r,
                                  {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720,
                                   1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800});
  return e.mul(p, e.wide_power_of_two(e.to_int(n)));
}

// |x| ** y through f64, and then the cases of IEEE 754's pow.
Value emit_pow(Emitter& e, Value x, Value y) {
  const Value one = e.real(1);
  const Value zero = e.real(0);
  const Value infinity = e.real(kInfinity);
  const Value size = e.abs(x);
  const Value exponent = e.abs(y);
  const Value special = e.either(e.either(e.equal(size, zero), e.equal(size, infinity)),
                                 e.either(e.is_nan(x), e.is_nan(y)));
  const Value base = e.select(special, one, size);
  Value t = e.mul(wide_log2(e, base), e.widen(e.select(e.is_nan(y), one, y)));
  // 0 * infinity: the logarithm of 1 times an infinite y; the result is 1.
  t = e.select(e.is_nan(t), e.wide(0), t);
  t = e.select(e.less(t, e.wide(-1000)), e.wide(-1000), t);
  t = e.select(e.less(e.wide(1000), t), e.wide(1000), t);
  const Value finite = e.narrow(wide_exp2(e, t));

  const Value falling = e.less(y, zero);
  const Value zero_base = e.select(falling, infinity, zero);
  const Value infinite_base = e.select(falling, zero, infinity);
  Value value = e.select(e.equal(size, zero), zero_base, finite);
  value = e.select(e.equal(size, infinity), infinite_base, value);

  const Value whole = e.equal(e.floor(y), y);
  const Value half = e.mul(y, e.real(0.5));
  const Value even = e.equal(e.floor(half), half);
  const Value odd = e.both(e.both(whole, e.negate(even)), e.less(exponent, e.real(16777216.0)));
  value = e.select(odd, e.copysign(value, x), value);
  const Value complex = e.both(e.both(e.less(x, zero), e.less(size, infinity)),
                               e.both(e.negate(whole), e.less(exponent, infinity)));
  value = e.select(complex, e.real(std::nan("")), value);
  value = e.select(e.either(e.is_nan(x), e.is_nan(y)), e.real(std::nan("")), value);
  return e.select(e.either(e.equal(y, zero), e.equal(x, one)), one, value);
}

}  // namespace

// In two steps, so that results below the least normal number are rounded once.
Emitter::Value Emitter::scale(Value a, Value n) {
  const Value whole = to_int(select(is_nan(n), real(0), n));
  const Value half = shift_right(whole, 1);
  return mul(mul(a, power_of_two(*this, half)), power_of_two(*this, int_sub(whole, half)));
}

bool has_expansion(Fn fn) {
  switch (fn) {
    case Fn::exp:
    case Fn::log:
    case Fn::tanh:
    case Fn::sigmoid:
    case Fn::erf:
    case Fn::sin:
    case Fn::cos:
    case Fn::pow:
      return true;
    default:
      return false;
  }
}

Emitter::Value emit_f32(Fn fn, Emitter& e, const std::vector<Emitter::Value>& args) {
  switch (fn) {
    case Fn::exp:
      return emit_exp(e, args[0]);
    case Fn::log:
      return emit_log(e, args[0]);
    case Fn::tanh:
      return emit_tanh(e, args[0]);
    case Fn::sigmoid:
      return emit_sigmoid(e, args[0]);
    case Fn::erf:
      return emit_erf(e, args[0]);
    case Fn::sin:
      return emit_sin_cos(e, args[0], false);
    case Fn::cos:
      return emit_sin_cos(e, args[0], true);
    case Fn::pow:
      return emit_pow(e, args[0], args[1]);
    default:
      break;
  }
  TESSERA_CHECK(false) << info(fn).name << " needs no expansion";
  return {};
}

}  // namespace tessera
