#include "ir/random_inputs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/hash.h"
#include "ir/random.h"
#include "ir/sequence.h"
#include "ir/structure.h"

namespace tessera {
namespace {

struct Range {
  int64_t low;
  int64_t high;
};
using Ranges = std::map<Tensor, Range>;

Range any_integer(DType type) {
  return {type == DType::u8 ? 0 : -9, 9};
}

// Bounds of an integer formula when the integer inputs lie within `ranges`; definitions are
// entered. Nothing where a bound is not known.
std::optional<Range> range_of(const Expr& expr, const Ranges& ranges);

std::optional<Range> range_of_apply(const Apply& apply, const Ranges& ranges) {
  std::vector<Range> args;
  for (const Expr& arg : apply.args) {
    if (!is_integer(arg.type())) {
      if (apply.fn != Fn::where || !args.empty()) return std::nullopt;
      args.push_back({0, 1});
      continue;
    }
    const std::optional<Range> range = range_of(arg, ranges);
    if (!range) return std::nullopt;
    args.push_back(*range);
  }
  const Range a = args[0];
  const Range b = args.size() > 1 ? args[1] : a;
  switch (apply.fn) {
    case Fn::cast:
      return a;
    case Fn::neg:
      return Range{-a.high, -a.low};
    case Fn::add:
      return Range{a.low + b.low, a.high + b.high};
    case Fn::sub:
      return Range{a.low - b.high, a.high - b.low};
    case Fn::mul: {
      const auto corners = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
      return Range{std::min(corners), std::max(corners)};
    }
    case Fn::min:
      return Range{std::min(a.low, b.low), std::min(a.high, b.high)};
    case Fn::max:
      return Range{std::max(a.low, b.low), std::max(a.high, b.high)};
    case Fn::where:
      return Range{std::min(b.low, args[2].low), std::max(b.high, args[2].high)};
    case Fn::mod:
      if (b.low <= 0) return std::nullopt;
      return a.low >= 0 && a.high < b.low ? a : Range{0, b.high - 1};
    case Fn::floordiv: {
      if (b.low != b.high || b.low <= 0) return std::nullopt;
      const auto divided = [&](int64_t value) {
        return value >= 0 ? value / b.low : -((-value + b.low - 1) / b.low);
      };
      return Range{divided(a.low), divided(a.high)};
    }
    default:
      return std::nullopt;
  }
}

std::optional<Range> range_of(const Expr& expr, const Ranges& ranges) {
  if (const Constant* constant = as<Constant>(expr))
    return Range{constant->value.i, constant->value.i};
  if (const IndexOf* index = as<IndexOf>(expr)) return Range{0, index->dim.extent() - 1};
  if (const Apply* apply = as<Apply>(expr)) {
    const std::optional<Range> range = range_of_apply(*apply, ranges);
    const bool wraps = range && is_small_integer(expr.type()) &&
                       (range->low < least(expr.type()) || range->high > greatest(expr.type()));
    return wraps ? std::nullopt : range;
  }
  if (const Reduce* reduce = as<Reduce>(expr)) {
    if (reduce->op == Reduction::argmax || reduce->op == Reduction::argmin)
      return Range{0, reduce->dims[0].extent() - 1};
    if (reduce->op == Reduction::max || reduce->op == Reduction::min)
      return range_of(reduce->body, ranges);
    return std::nullopt;
  }
  const Read* read = as<Read>(expr);
  if (read == nullptr) return std::nullopt;
  std::optional<Range> range;
  if (read->tensor.role() == Role::definition) {
    range = range_of(read->tensor.value(), ranges);
  } else if (const auto it = ranges.find(read->tensor); it != ranges.end()) {
    range = it->second;
  }
  if (range && read->pad)
    range = Range{std::min(range->low, read->pad->i), std::max(range->high, read->pad->i)};
  return range;
}

// The integer inputs that a formula depends on.
void leaves_of(const Expr& expr, std::vector<Tensor>& found) {
  for (const Tensor& tensor : tensors_read(expr)) {
    if (tensor.role() == Role::definition) {
      if (is_integer(tensor.type())) leaves_of(tensor.value(), found);
    } else if (is_integer(tensor.type()) && tensor.role() == Role::input &&
               std::find(found.begin(), found.end(), tensor) == found.end()) {
      found.push_back(tensor);
    }
  }
}

bool stays_inside(const Expr& index, int64_t extent, const Ranges& ranges) {
  const std::optional<Range> range = range_of(index, ranges);
  return range && range->low >= 0 && range->high < extent;
}

// Narrows the inputs that `index` depends on until it stays within 0 … extent-1.
void bound_index(const Expr& index, int64_t extent, Ranges& ranges) {
  std::vector<Tensor> leaves;
  leaves_of(index, leaves);
  for (const Tensor& leaf : leaves) {
    if (stays_inside(index, extent, ranges)) return;
    const Range now = ranges.at(leaf);
    Range fits{1, 0};
    const int64_t reach = std::max<int64_t>(extent, 16);
    const Range any = any_integer(leaf.type());
    const bool free = now.low == any.low && now.high == any.high;
    const int64_t first = std::max(free ? -reach : now.low, least(leaf.type()));
    const int64_t last = std::min(free ? reach : now.high, greatest(leaf.type()));
    for (int64_t v = first; v <= last; ++v) {
      ranges.at(leaf) = {v, v};
      if (!stays_inside(index, extent, ranges)) continue;
      if (fits.low > fits.high) fits.low = v;
      fits.high = v;
    }
    ranges.at(leaf) = fits.low <= fits.high ? fits : now;
  }
}

Ranges input_ranges(const Program& program) {
  Ranges ranges;
  for (const Tensor& tensor : program.inputs())
    if (is_integer(tensor.type())) ranges.emplace(tensor, any_integer(tensor.type()));
  for (const Tensor& tensor : computed_tensors(program))
    for (const Expr& node : subexpressions(tensor.value())) {
      const Read* read = as<Read>(node);
      if (read == nullptr) continue;
      for (size_t i = 0; i < read->indices.size(); ++i)
        if (!read->indices[i].padded && !as<IndexOf>(read->indices[i].value))
          bound_index(read->indices[i].value, read->tensor.dims()[i].extent(), ranges);
    }
  return ranges;
}

}  // namespace

Arrays random_inputs(const Program& program, uint64_t seed) {
  const Ranges ranges = input_ranges(program);
  Arrays arrays;
  for (const Tensor& tensor : program.inputs()) {
    const uint64_t stream = hash_bytes(tensor.name());
    Range range{0, 1};
    if (is_integer(tensor.type())) range = ranges.at(tensor);
    const double count = static_cast<double>(range.high - range.low + 1);
    Array array = make_array(tensor.type(), extents(tensor.dims()));
    for (size_t i = 0; i < array.size(); ++i) {
      const double uniform = uniform_value(seed, stream, i);
      array.set(i, is_float(tensor.type())
                       ? 2 * uniform - 1
                       : static_cast<double>(range.low) + std::floor(uniform * count));
    }
    arrays.emplace(tensor.name(), std::move(array));
  }
  return arrays;
}

}  // namespace tessera
