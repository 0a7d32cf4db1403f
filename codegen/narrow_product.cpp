#include "codegen/narrow_product.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "base/convert.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Is every value of this f32 formula one that bf16, or f16, holds exactly?
bool fits_half(const Expr& expr, DType half) {
  if (const Constant* constant = as<Constant>(expr)) {
    const auto value = static_cast<float>(constant->value.f);
    return value ==
           (half == DType::bf16 ? bf16_to_f32(f32_to_bf16(value)) : f16_to_f32(f32_to_f16(value)));
  }
  const Apply* apply = as<Apply>(expr);
  if (apply == nullptr) return false;
  const std::vector<Expr>& args = apply->args;
  const auto fits = [&](const Expr& arg) { return fits_half(arg, half); };
  switch (apply->fn) {
    case Fn::cast:
      return args[0].type() == half || size_of(args[0].type()) == 1;
    case Fn::where:
      return fits(args[1]) && fits(args[2]);
    case Fn::neg:
    case Fn::abs:
    case Fn::min:
    case Fn::max:
      return std::all_of(args.begin(), args.end(), fits);
    default:
      return false;
  }
}

// Bounds of an i32 formula, where every step to it stays far within i32.
std::optional<IndexRange> bounds_of(const Expr& expr) {
  constexpr int64_t kFar = int64_t{1} << 20;
  if (const std::optional<IndexRange> known = index_range(expr)) return known;
  const Apply* apply = as<Apply>(expr);
  if (apply == nullptr) return std::nullopt;
  if (apply->fn == Fn::cast) {
    const DType from = apply->args[0].type();
    if (from == DType::b8) return IndexRange{0, 1};
    if (is_small_integer(from)) return IndexRange{least(from), greatest(from)};
    return std::nullopt;
  }
  const size_t first = apply->fn == Fn::where ? 1 : 0;
  if (apply->args.size() > first + 2) return std::nullopt;
  std::vector<IndexRange> args;
  for (size_t i = first; i < apply->args.size(); ++i) {
    const std::optional<IndexRange> range = bounds_of(apply->args[i]);
    if (!range || range->low < -kFar || range->high > kFar) return std::nullopt;
    args.push_back(*range);
  }
  const IndexRange& x = args.front();
  const IndexRange& y = args.back();
  switch (apply->fn) {
    case Fn::where:
      return IndexRange{std::min(x.low, y.low), std::max(x.high, y.high)};
    case Fn::neg:
      return IndexRange{-x.high, -x.low};
    case Fn::min:
      return IndexRange{std::min(x.low, y.low), std::min(x.high, y.high)};
    case Fn::max:
      return IndexRange{std::max(x.low, y.low), std::max(x.high, y.high)};
    case Fn::add:
      return IndexRange{x.low + y.low, x.high + y.high};
    case Fn::sub:
      return IndexRange{x.low - y.high, x.high - y.low};
    default:
      return std::nullopt;
  }
}

bool fits_halves(const Contraction& c, DType half) {
  return c.type == DType::f32 && fits_half(c.a, half) && fits_half(c.b, half);
}

bool within(const IndexRange& range, int64_t low, int64_t high) {
  return range.low >= low && range.high <= high;
}

}  // namespace

int NarrowProduct::group() const {
  return unit == ProductUnit::none ? 1 : unit == ProductUnit::dot_i8 ? 4 : 2;
}

double NarrowProduct::cycles() const {
  return unit == ProductUnit::madd_i16 ? 1.3 : 1;
}

NarrowProduct narrow_product(const Contraction& c, const VectorTarget& target) {
  if (c.pair || c.nest.op != ReduceOp::sum) return {};
  if (c.type == DType::f32) {
    const bool fits = target.bf16_products == 2 && fits_halves(c, DType::bf16);
    return {.unit = fits ? ProductUnit::dot_bf16 : ProductUnit::none};
  }
  if (c.type != DType::i32) return {};
  const std::optional<IndexRange> a = bounds_of(c.a), b = bounds_of(c.b);
  if (!a || !b) return {};
  const auto is_byte = [](const IndexRange& range) {
    return within(range, -128, 127) || within(range, 0, 255);
  };
  if (target.i8_products == 4 && is_byte(*a) && is_byte(*b))
    return {.unit = ProductUnit::dot_i8,
            .a_signed = within(*a, -128, 127),
            .b_signed = within(*b, -128, 127)};
  if (target.i16_products != 2 || !within(*a, -32768, 32767) || !within(*b, -32768, 32767))
    return {};
  return {.unit = target.i8_products == 4 ? ProductUnit::dot_i16 : ProductUnit::madd_i16};
}

std::optional<NarrowTypes> narrow_types(const Contraction& c) {
  if (c.pair || c.nest.op != ReduceOp::sum || c.guarded_a || c.guarded_b) return std::nullopt;
  for (const DType half : {DType::bf16, DType::f16})
    if (fits_halves(c, half)) return NarrowTypes{half, half};
  if (c.type != DType::i32) return std::nullopt;
  const auto byte_of = [](const Expr& operand) -> std::optional<DType> {
    const std::optional<IndexRange> range = bounds_of(operand);
    if (range && within(*range, -128, 127)) return DType::i8;
    if (range && within(*range, 0, 255)) return DType::u8;
    return std::nullopt;
  };
  const std::optional<DType> a = byte_of(c.a), b = byte_of(c.b);
  return a && b ? std::optional(NarrowTypes{*a, *b}) : std::nullopt;
}

double cycles_of_pair(const Contraction& contraction, const NarrowProduct& product) {
  if (contraction.pair) return cycles_of(*contraction.pair, *contraction.nest.op);
  return product.cycles() / product.group();
}

}  // namespace tessera
