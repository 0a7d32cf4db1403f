#include "tests/ir/random_formula.h"

#include <algorithm>
#include <cmath>

#include "ir/functions.h"

namespace tessera {
namespace {

Expr number(DType type, double value) {
  return make_constant(Scalar::of_number(type, value));
}

}  // namespace

// --- Reads ---------------------------------------------------------------------------------

Expr RandomFormula::index_for(const Dim& target, const Dims& scope, bool& padded) {
  const int64_t extent = target.extent();
  const bool here = contains(scope, target);
  if (here && (!options_.affine || random_.chance(0.7))) return make_index(target);
  if (options_.gathers && extent > 0 && random_.chance(0.35)) {
    const Tensor at = program_.get("at");
    if (same_set(intersect(at.dims(), scope), at.dims())) {
      padded = random_.chance(0.2);
      return padded ? Expr(at) - number(at.type(), 1) : Expr(at);
    }
  }
  if (options_.affine && !scope.empty()) {
    const Dim i = pick(scope);
    const int64_t last = i.extent() - 1;
    switch (random_.below(6)) {
      case 0:
        if (last < extent) return (static_cast<int>(extent) - 1) - make_index(i);
        break;
      case 1:
        if (last / 2 < extent) return floordiv(make_index(i), 2);
        break;
      case 2:
        return make_index(i) % static_cast<int>(extent);
      case 3: {
        const Dim k = pick(scope);
        const int stride = 1 + random_.below(3);
        if (!(k == i) && stride * last + k.extent() <= extent)
          return stride * make_index(i) + make_index(k);
        break;
      }
      case 4: {
        padded = true;
        const int stride = 1 + random_.below(2);
        return stride * make_index(i) - random_.below(4);
      }
      default:
        if (last < extent) return make_index(i);
        break;
    }
  }
  if (here) return make_index(target);
  return number(DType::i32, static_cast<double>(random_.between(0, extent - 1)));
}

Expr RandomFormula::read(const Tensor& tensor, const Dims& scope) {
  std::vector<Index> indices;
  std::optional<Scalar> pad;
  for (const Dim& dim : tensor.dims()) {
    bool padded = false;
    Expr index = index_for(dim, scope, padded);
    indices.push_back({index, padded});
    if (padded && !pad)
      pad = tensor.type() == DType::b8 ? Scalar::of_bool(random_.chance(0.5))
                                       : Scalar::of_number(tensor.type(), random_.below(3) - 1);
  }
  return make_read(tensor, std::move(indices), pad);
}

std::optional<Tensor> RandomFormula::source(DType type, const Dims& scope) {
  std::vector<Tensor> found;
  for (const Tensor& tensor : program_.tensors()) {
    if (tensor.type() != type || tensor.name() == "at") continue;
    if (type != DType::b8 && bound_of(tensor) > kTame) continue;
    const bool whole = subtract(tensor.dims(), scope).empty();
    if (whole || (options_.affine && random_.chance(0.5))) found.push_back(tensor);
  }
  if (found.empty()) return std::nullopt;
  return pick(found);
}

double RandomFormula::bound_of(const Tensor& tensor) {
  const auto it = bounds_.find(tensor.name());
  return it != bounds_.end() ? it->second : is_float(tensor.type()) ? 1 : 9;
}

// --- Floats --------------------------------------------------------------------------------

RandomFormula::Bounded RandomFormula::tame(const Bounded& value, double limit) {
  if (value.bound <= limit) return value;
  if (options_.transcendental && random_.chance(0.4)) return {tanh(value.expr), 1};
  const double scale = limit / value.bound;
  return {value.expr * scale, limit};
}

RandomFormula::Bounded RandomFormula::float_leaf(DType type, const Dims& scope) {
  const int kind = random_.below(10);
  if (kind == 0) {
    const double value = static_cast<double>(random_.between(-16, 16)) / 8;
    return {number(type, value), 2};
  }
  if (kind == 1 && !scope.empty()) {
    const Dim dim = pick(scope);
    const double scale = 1.0 / static_cast<double>(std::max<int64_t>(1, dim.extent()));
    return {cast(type, make_index(dim)) * scale, 1};
  }
  if (kind == 2 && options_.draws) return draw(type, scope);
  if (const std::optional<Tensor> tensor = source(type, scope))
    return {read(*tensor, scope), std::max(1.0, bound_of(*tensor))};
  return {number(type, 0.75), 1};
}

RandomFormula::Bounded RandomFormula::draw(DType type, const Dims& scope) {
  Dims over;
  for (const Dim& dim : scope)
    if (random_.chance(0.6)) over.push_back(dim);
  const Expr seed = options_.integers
                        ? int_leaf(random_.chance(0.5) ? DType::i32 : DType::i64, scope).expr
                        : Expr(random_.below(100));
  const DType drawn = is_half(type) ? DType::f32 : type;
  if (random_.chance(0.6)) return {cast(type, uniform(over, seed, drawn)), 1};
  return tame({cast(type, normal(over, seed, drawn)), 8.6}, 4);
}

RandomFormula::Bounded RandomFormula::float_value(DType type, const Dims& scope, int depth) {
  if (depth <= 0) return float_leaf(type, scope);
  switch (random_.below(12)) {
    case 0:
      return float_leaf(type, scope);
    case 1:
    case 2:
      return float_sum(type, scope, depth);
    case 3:
    case 4: {
      const Bounded a = float_value(type, scope, depth - 1);
      const Bounded b = float_value(type, scope, depth - 1);
      return tame({a.expr * b.expr, a.bound * b.bound});
    }
    case 5:
      return float_quotient(type, scope, depth);
    case 6:
      return float_function(type, scope, depth);
    case 7: {
      const Expr condition = bool_value(scope, depth - 1);
      const Bounded a = float_value(type, scope, depth - 1);
      const Bounded b = float_value(type, scope, depth - 1);
      return {where(condition, a.expr, b.expr), std::max(a.bound, b.bound)};
    }
    case 8:
      return converted(type, scope, depth);
    default:
      return options_.reductions ? float_reduction(type, scope, depth)
                                 : float_sum(type, scope, depth);
  }
}

RandomFormula::Bounded RandomFormula::float_sum(DType type, const Dims& scope, int depth) {
  const Bounded a = float_value(type, scope, depth - 1);
  const Bounded b = float_value(type, scope, depth - 1);
  const double both = a.bound + b.bound;
  switch (random_.below(4)) {
    case 0:
      return tame({a.expr - b.expr, both});
    case 1:
      return {max(a.expr, b.expr), std::max(a.bound, b.bound)};
    case 2:
      return {min(-a.expr, b.expr), std::max(a.bound, b.bound)};
    default:
      return tame({a.expr + b.expr, both});
  }
}

RandomFormula::Bounded RandomFormula::float_quotient(DType type, const Dims& scope, int depth) {
  const Bounded a = float_value(type, scope, depth - 1);
  const Bounded b = float_value(type, scope, depth - 1);
  if (random_.chance(0.7)) return {a.expr / (abs(b.expr) + 1.0), a.bound};
  const Bounded base = tame(b, 2);
  static const std::vector<double> powers = {2.0, 0.5, 1.5, -1.0};
  return {pow(abs(base.expr) + 0.5, pick(powers)), 6.25};
}

RandomFormula::Bounded RandomFormula::float_function(DType type, const Dims& scope, int depth) {
  const Bounded x = float_value(type, scope, depth - 1);
  if (options_.discontinuous && random_.chance(0.15)) {
    const int kind = random_.below(4);
    if (kind == 0) return {floor(x.expr), x.bound + 1};
    if (kind == 1) return {ceil(x.expr), x.bound + 1};
    if (kind == 2) return {round(x.expr), x.bound + 1};
    return {x.expr % number(type, 1.5), 1.5};
  }
  if (!options_.transcendental) return {abs(x.expr), x.bound};
  switch (random_.below(11)) {
    case 0:
      return {exp(-abs(x.expr)), 1};
    case 1:
      return {log(abs(x.expr) + 1.0), std::log(x.bound + 1)};
    case 2:
      return {sqrt(abs(x.expr) + 0.1), std::sqrt(x.bound + 0.1)};
    case 3:
      return {tanh(x.expr), 1};
    case 4:
      return {sigmoid(x.expr), 1};
    case 5:
      return {erf(x.expr), 1};
    case 6:
      return {sin(x.expr), 1};
    case 7:
      return {cos(x.expr), 1};
    case 8:
      return {exp(tame(x, 2).expr), 7.5};
    case 9:
      return {stop_gradient(x.expr), x.bound};
    default:
      return {checkpoint(abs(x.expr)), x.bound};
  }
}

RandomFormula::Bounded RandomFormula::converted(DType type, const Dims& scope, int depth) {
  const int kind = random_.below(3);
  if (kind == 0 && options_.integers) {
    const bool small = options_.small_types && random_.chance(0.5);
    const DType from = !small ? DType::i32 : random_.chance(0.5) ? DType::i8 : DType::u8;
    const Bounded n = int_value(from, scope, depth - 1);
    const double bound = small ? 256 : n.bound;
    return {cast(type, n.expr) * (1 / bound), 1};
  }
  if (kind == 1) return {cast(type, bool_value(scope, depth - 1)), 1};
  const bool small = options_.small_types && type == DType::f32 && random_.chance(0.7);
  if (!options_.f64 && !small) return float_leaf(type, scope);
  DType other = type == DType::f32 ? DType::f64 : DType::f32;
  if (small) other = random_.chance(0.5) ? DType::bf16 : DType::f16;
  const Bounded x = float_value(other, scope, depth - 1);
  return {cast(type, x.expr), x.bound};
}

Dims RandomFormula::reduced_dims(const Dims& scope) {
  Dims list;
  for (const Dim& dim : subtract(dims_, scope))
    if (list.size() < 2 && random_.chance(0.6) &&
        volume(scope) * volume(list) * dim.extent() <= options_.max_volume)
      list.push_back(dim);
  return list;
}

RandomFormula::Bounded RandomFormula::float_reduction(DType type, const Dims& scope, int depth) {
  Dims over = reduced_dims(scope);
  Bounded body = float_value(type, unite(scope, over), depth - 1);
  over = intersect(over, body.expr.dims());
  if (over.empty()) return body;
  const auto count = static_cast<double>(volume(over));
  switch (random_.below(7)) {
    case 0:
      return {max(over, body.expr), body.bound};
    case 1:
      return {min(over, body.expr), body.bound};
    case 2:
      return {mean(over, body.expr), body.bound};
    case 3:
      return {prod(over, tame(body, 1).expr), 1};
    case 4:
      if (options_.discontinuous) {
        const Expr found =
            random_.chance(0.5) ? argmax(over[0], body.expr) : argmin(over[0], body.expr);
        if (over.size() == 1 && options_.integers) return {cast(type, found) / count, 1};
      }
      [[fallthrough]];
    default:
      return tame({sum(over, body.expr), body.bound * count});
  }
}

// --- Booleans and integers -------------------------------------------------------------------

Expr RandomFormula::bool_value(const Dims& scope, int depth) {
  const int kind = random_.below(8);
  if (depth > 0 && kind <= 1) {
    const Expr a = bool_value(scope, depth - 1);
    const Expr b = bool_value(scope, depth - 1);
    return kind == 0 ? a && b : a || b;
  }
  if (depth > 0 && kind == 2) return !bool_value(scope, depth - 1);
  if (depth > 0 && kind == 3 && options_.reductions) {
    const Dims extra = reduced_dims(scope);
    const Expr body = bool_value(unite(scope, extra), depth - 1);
    const Dims over = intersect(extra, body.dims());
    if (!over.empty()) return random_.chance(0.5) ? any(over, body) : all(over, body);
  }
  if (kind == 4 && options_.booleans)
    if (const std::optional<Tensor> tensor = source(DType::b8, scope)) return read(*tensor, scope);
  if (kind == 5 && options_.discontinuous) {
    const DType type = options_.f64 && random_.chance(0.2) ? DType::f64 : DType::f32;
    const Expr a = float_value(type, scope, depth - 1).expr;
    return random_.chance(0.5) ? a < 0.1 : a >= float_value(type, scope, depth - 1).expr;
  }
  if (options_.integers) {
    const Expr a = int_value(DType::i32, scope, depth - 1).expr;
    const int right = random_.below(7) - 3;
    return random_.chance(0.3) ? equal(a, right) : random_.chance(0.5) ? a <= right : a > right;
  }
  if (scope.empty()) return make_constant(Scalar::of_bool(random_.chance(0.5)));
  return make_index(pick(scope)) < 1 + random_.below(8);
}

RandomFormula::Bounded RandomFormula::int_value(DType type, const Dims& scope, int depth) {
  if (depth <= 0 || random_.chance(0.2)) return int_leaf(type, scope);
  const Bounded a = int_value(type, scope, depth - 1);
  switch (random_.below(9)) {
    case 0: {
      const int by = 1 + random_.below(5);
      const bool natural = type == DType::u8;
      return {random_.chance(0.5) ? floordiv(a.expr, by) : a.expr % (natural ? by : -by),
              std::max(a.bound, double{1} * by)};
    }
    case 1:
      return {where(bool_value(scope, depth - 1), a.expr, number(type, 3)), std::max(a.bound, 3.0)};
    case 2:
      return {abs(-a.expr), a.bound};
    case 3: {
      const Dims extra = reduced_dims(scope);
      const Bounded body = int_value(type, unite(scope, extra), depth - 1);
      const Dims over = intersect(extra, body.expr.dims());
      if (over.empty() || !options_.reductions) return body;
      if (random_.chance(0.5)) return {max(over, body.expr), body.bound};
      // Sums of i8 and u8 are i32.
      return tame_int(
          {cast(type, sum(over, body.expr)), body.bound * static_cast<double>(volume(over))}, type);
    }
    case 4:
      if (options_.discontinuous)
        return {cast(type, float_value(DType::f32, scope, depth - 1).expr), 2 * kTame};
      return a;
    case 5: {
      const Bounded b = int_value(type, scope, depth - 1);
      return tame_int({a.expr * b.expr, a.bound * b.bound}, type);
    }
    default: {
      const Bounded b = int_value(type, scope, depth - 1);
      const Expr both = random_.chance(0.4) ? a.expr - b.expr : a.expr + b.expr;
      return tame_int({both, a.bound + b.bound}, type);
    }
  }
}

RandomFormula::Bounded RandomFormula::tame_int(const Bounded& value, DType type) {
  if (value.bound < 1000) return value;
  return {value.expr % number(type, 11), 11};
}

RandomFormula::Bounded RandomFormula::int_leaf(DType type, const Dims& scope) {
  if (!scope.empty() && random_.chance(0.4)) {
    const Dim dim = pick(scope);
    return {cast(type, make_index(dim)), std::max(1.0, static_cast<double>(dim.extent()))};
  }
  if (random_.chance(0.8))
    if (const std::optional<Tensor> tensor = source(type, scope))
      return {read(*tensor, scope), std::max(9.0, bound_of(*tensor))};
  return {number(type, static_cast<double>(random_.between(-5, 5))), 5};
}

}  // namespace tessera
