#include "tests/ir/random_program.h"

#include <algorithm>
#include <cmath>

#include "ir/functions.h"

namespace tessera {

uint64_t RandomSource::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

int RandomSource::below(int count) {
  return static_cast<int>(next() % static_cast<uint64_t>(count));
}

int64_t RandomSource::between(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
}

double RandomSource::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

namespace {

constexpr double kTame = 8;

// A formula whose values lie within ±bound.
struct Bounded {
  Expr expr;
  double bound;
};

Expr number(DType type, double value) {
  return make_constant(Scalar::of_number(type, value));
}

class Generator {
 public:
  Generator(uint64_t seed, const RandomProgramOptions& options)
      : random_(seed * 2654435761u + 17), options_(options), program_("random") {}

  Program run() {
    make_dims();
    make_border();
    const int count = 1 + random_.below(options_.definitions);
    for (int i = 0; i < count; ++i) make_one_definition(i);
    if (options_.gradients) make_gradients();
    if (options_.updates) make_updates();
    make_outputs();
    if (random_.chance(0.2)) make_pin();
    return program_;
  }

 private:
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[static_cast<size_t>(random_.below(static_cast<int>(list.size())))];
  }

  // --- Dims and border ----------------------------------------------------------------------

  void make_dims() {
    static const std::vector<int64_t> extents = {1, 2, 3, 5, 7, 8, 13, 16, 17};
    const int count = 2 + random_.below(std::max(1, options_.dims - 1));
    for (int i = 0; i < count; ++i) {
      dims_.emplace_back(std::string(1, static_cast<char>('a' + i)), pick(extents));
      program_.declare(dims_.back());
    }
  }

  // A random set of dims in random order, of bounded volume, added to `with`.
  Dims some_dims(double each, const Dims& with = {}) {
    Dims order = dims_;
    shuffle(order);
    Dims chosen = with;
    for (const Dim& dim : order)
      if (!contains(chosen, dim) && random_.chance(each) &&
          volume(chosen) * dim.extent() <= options_.max_volume)
        chosen.push_back(dim);
    return chosen;
  }

  void shuffle(Dims& dims) {
    for (size_t i = dims.size(); i > 1; --i)
      std::swap(dims[i - 1], dims[static_cast<size_t>(random_.below(static_cast<int>(i)))]);
  }

  DType float_type() { return options_.f64 && random_.chance(0.2) ? DType::f64 : DType::f32; }

  void make_border() {
    program_.input("x", some_dims(0.6));
    program_.input("y", some_dims(0.6), float_type());
    program_.parameter("w", some_dims(0.5), uniform(-1, 1));
    if (random_.chance(0.6)) program_.parameter("u", some_dims(0.5), constant(0.5), float_type());
    if (random_.chance(0.4)) program_.state("s", some_dims(0.4), constant(0.25));
    if (options_.integers) {
      program_.input("n", some_dims(0.4), random_.chance(0.3) ? DType::i64 : DType::i32);
      if (random_.chance(0.3)) program_.state("steps", {}, zeros(), DType::i64);
    }
    if (options_.booleans) program_.input("mask", some_dims(0.5), DType::b8);
    if (options_.gathers)
      program_.input("at", some_dims(0.3), random_.chance(0.3) ? DType::i64 : DType::i32);
  }

  // --- Reads ---------------------------------------------------------------------------------

  // An index for a dim of extent `extent` over dims of `scope`; sets `padded` where it may leave.
  Expr index_for(const Dim& target, const Dims& scope, bool& padded) {
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
        case 4:
          padded = true;
          return (1 + random_.below(2)) * make_index(i) - (random_.below(4));
        default:
          if (last < extent) return make_index(i);
          break;
      }
    }
    if (here) return make_index(target);
    return number(DType::i32, static_cast<double>(random_.between(0, extent - 1)));
  }

  Expr read(const Tensor& tensor, const Dims& scope) {
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

  // A tensor of the type that can be read within the scope, if there is any.
  std::optional<Tensor> source(DType type, const Dims& scope) {
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

  double bound_of(const Tensor& tensor) {
    const auto it = bounds_.find(tensor.name());
    return it != bounds_.end() ? it->second : is_float(tensor.type()) ? 1 : 9;
  }

  // --- Floats --------------------------------------------------------------------------------

  Bounded tame(const Bounded& value, double limit = kTame) {
    if (value.bound <= limit) return value;
    if (options_.transcendental && random_.chance(0.4)) return {tanh(value.expr), 1};
    const double scale = limit / value.bound;
    return {value.expr * scale, limit};
  }

  Bounded float_leaf(DType type, const Dims& scope) {
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
    if (const std::optional<Tensor> tensor = source(type, scope))
      return {read(*tensor, scope), std::max(1.0, bound_of(*tensor))};
    return {number(type, 0.75), 1};
  }

  Bounded float_value(DType type, const Dims& scope, int depth) {
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

  Bounded float_sum(DType type, const Dims& scope, int depth) {
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

  Bounded float_quotient(DType type, const Dims& scope, int depth) {
    const Bounded a = float_value(type, scope, depth - 1);
    const Bounded b = float_value(type, scope, depth - 1);
    if (random_.chance(0.7)) return {a.expr / (abs(b.expr) + 1.0), a.bound};
    const Bounded base = tame(b, 2);
    static const std::vector<double> powers = {2.0, 0.5, 1.5, -1.0};
    return {pow(abs(base.expr) + 0.5, pick(powers)), 6.25};
  }

  Bounded float_function(DType type, const Dims& scope, int depth) {
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
        return {abs(x.expr), x.bound};
    }
  }

  Bounded converted(DType type, const Dims& scope, int depth) {
    const int kind = random_.below(3);
    if (kind == 0 && options_.integers) {
      const Bounded n = int_value(DType::i32, scope, depth - 1);
      return {cast(type, n.expr) * (1 / n.bound), 1};
    }
    if (kind == 1) return {cast(type, bool_value(scope, depth - 1)), 1};
    if (!options_.f64) return float_leaf(type, scope);
    const DType other = type == DType::f32 ? DType::f64 : DType::f32;
    const Bounded x = float_value(other, scope, depth - 1);
    return {cast(type, x.expr), x.bound};
  }

  // One or two dims outside the scope to reduce over, or none that fit.
  Dims reduced_dims(const Dims& scope) {
    Dims list;
    for (const Dim& dim : subtract(dims_, scope))
      if (list.size() < 2 && random_.chance(0.6) &&
          volume(scope) * volume(list) * dim.extent() <= options_.max_volume)
        list.push_back(dim);
    return list;
  }

  Bounded float_reduction(DType type, const Dims& scope, int depth) {
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

  Expr bool_value(const Dims& scope, int depth) {
    const int kind = random_.below(8);
    if (depth > 0 && kind == 0) return bool_value(scope, depth - 1) && bool_value(scope, depth - 1);
    if (depth > 0 && kind == 1) return bool_value(scope, depth - 1) || bool_value(scope, depth - 1);
    if (depth > 0 && kind == 2) return !bool_value(scope, depth - 1);
    if (depth > 0 && kind == 3 && options_.reductions) {
      const Dims extra = reduced_dims(scope);
      const Expr body = bool_value(unite(scope, extra), depth - 1);
      const Dims over = intersect(extra, body.dims());
      if (!over.empty()) return random_.chance(0.5) ? any(over, body) : all(over, body);
    }
    if (kind == 4 && options_.booleans)
      if (const std::optional<Tensor> tensor = source(DType::b8, scope))
        return read(*tensor, scope);
    if (kind == 5 && options_.discontinuous) {
      const DType type = float_type();
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

  Bounded int_value(DType type, const Dims& scope, int depth) {
    if (depth <= 0 || random_.chance(0.2)) return int_leaf(type, scope);
    const Bounded a = int_value(type, scope, depth - 1);
    switch (random_.below(9)) {
      case 0: {
        const int by = 1 + random_.below(5);
        return {random_.chance(0.5) ? floordiv(a.expr, by) : a.expr % -by,
                std::max(a.bound, double{1} * by)};
      }
      case 1:
        return {where(bool_value(scope, depth - 1), a.expr, number(type, 3)),
                std::max(a.bound, 3.0)};
      case 2:
        return {abs(-a.expr), a.bound};
      case 3: {
        const Dims extra = reduced_dims(scope);
        const Bounded body = int_value(type, unite(scope, extra), depth - 1);
        const Dims over = intersect(extra, body.expr.dims());
        if (over.empty() || !options_.reductions) return body;
        if (random_.chance(0.5)) return {max(over, body.expr), body.bound};
        return tame_int({sum(over, body.expr), body.bound * static_cast<double>(volume(over))},
                        type);
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

  static Bounded tame_int(const Bounded& value, DType type) {
    if (value.bound < 1000) return value;
    return {value.expr % number(type, 11), 11};
  }

  Bounded int_leaf(DType type, const Dims& scope) {
    if (!scope.empty() && random_.chance(0.4)) {
      const Dim dim = pick(scope);
      return {cast(type, make_index(dim)), std::max(1.0, static_cast<double>(dim.extent()))};
    }
    if (random_.chance(0.8))
      if (const std::optional<Tensor> tensor = source(type, scope))
        return {read(*tensor, scope), std::max(9.0, bound_of(*tensor))};
    return {number(type, static_cast<double>(random_.between(-5, 5))), 5};
  }

  // --- Definitions and the rest ----------------------------------------------------------------

  void make_one_definition(int i) {
    const std::string name = "v" + std::to_string(i);
    const Dims scope = some_dims(0.5);
    const int kind = random_.below(10);
    Bounded value{0, 1};
    if (kind == 0 && options_.integers) {
      value = int_value(random_.chance(0.3) ? DType::i64 : DType::i32, scope, options_.depth);
    } else if (kind == 1 && options_.booleans) {
      value = {bool_value(scope, options_.depth), 1};
    } else {
      value = tame(float_value(float_type(), scope, options_.depth));
    }
    // Now and then a definition without a name, which the program names.
    if (random_.chance(0.15)) {
      const Tensor part(value.expr);
      bounds_[name] = value.bound;
      program_.define(name, Expr(part));
      bounds_[part.name()] = value.bound;
      return;
    }
    Dims order = random_.chance(0.3) ? value.expr.dims() : Dims{};
    shuffle(order);
    program_.define(name, value.expr, std::source_location::current(), order);
    bounds_[name] = value.bound;
  }

  // A float of `type` without dims that depends on the definitions.
  Expr scalar_of(DType type) {
    std::optional<Expr> total;
    for (const Tensor& tensor : program_.tensors()) {
      if (!is_float(tensor.type())) continue;
      if (tensor.role() != Role::definition && tensor.role() != Role::parameter) continue;
      const Expr value = cast(type, tensor) * cast(type, tensor);
      const Expr part = tensor.dims().empty() ? value : mean(tensor.dims(), value);
      total = total ? *total + part : part;
    }
    return *total;
  }

  void make_gradients() {
    const DType type = DType::f32;
    const Tensor loss = program_.define("loss", scalar_of(type));
    bounds_["loss"] = 1e9;  // too large to be read again
    for (const Tensor& parameter : program_.parameters()) {
      if (options_.updates) {
        const Expr step = 0.01 * grad(loss, parameter);
        program_.update(parameter, parameter - step);
      } else {
        const Tensor found = program_.define("d" + parameter.name(), grad(loss, parameter));
        program_.output(found.name(), found);
      }
    }
    program_.output("loss", loss);
  }

  void make_updates() {
    const std::vector<Tensor> tensors = program_.tensors();  // updates add to the program's own
    for (const Tensor& tensor : tensors) {
      const bool kept = tensor.role() == Role::state || tensor.role() == Role::parameter;
      if (!kept || program_.update_of(tensor) != nullptr || !random_.chance(0.6)) continue;
      if (is_integer(tensor.type())) {
        program_.update(tensor, Expr(tensor) + 1);
      } else if (random_.chance(0.2)) {
        program_.update(tensor, 0.5);
      } else {
        const Bounded value = tame(float_value(tensor.type(), sorted(tensor.dims()), 2), 1);
        program_.update(tensor, value.expr);
      }
    }
  }

  void make_outputs() {
    for (const Tensor& tensor : program_.definitions()) {
      const bool out = program_.outputs().empty() || random_.chance(0.5);
      const auto same = [&](const Output& output) { return output.name == tensor.name(); };
      if (!out || std::any_of(program_.outputs().begin(), program_.outputs().end(), same)) continue;
      Dims order = tensor.dims();
      shuffle(order);
      program_.output(tensor.name(), tensor, order);
    }
  }

  void make_pin() {
    for (const Tensor& tensor : program_.parameters())
      if (!tensor.dims().empty()) program_.pin(tensor.name(), tensor.dims()[0].name(), "data");
  }

  RandomSource random_;
  const RandomProgramOptions options_;
  Program program_;
  Dims dims_;
  std::map<std::string, double> bounds_;
};

}  // namespace

Program random_program(uint64_t seed, const RandomProgramOptions& options) {
  return Generator(seed, options).run();
}

}  // namespace tessera
