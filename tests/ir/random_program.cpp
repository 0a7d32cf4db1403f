#include "tests/ir/random_program.h"

#include <algorithm>

#include "ir/functions.h"
#include "ir/loop.h"
#include "tests/ir/random_formula.h"

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

using Bounded = RandomFormula::Bounded;

class Generator {
 public:
  Generator(uint64_t seed, const RandomProgramOptions& options)
      : random_(seed * 2654435761u + 17),
        options_(options),
        program_("random"),
        formulas_(program_, options_, random_) {}

  Program run() {
    make_dims();
    make_border();
    const int count = 1 + random_.below(options_.definitions);
    for (int i = 0; i < count; ++i) {
      if (options_.loops && random_.chance(0.4)) make_loop(i);
      make_one_definition(i);
    }
    if (options_.loops) make_loop(count);
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
    formulas_.set_dims(dims_);
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

  DType float_type() {
    if (options_.small_types && random_.chance(0.6))
      return random_.chance(0.5) ? DType::bf16 : DType::f16;
    return options_.f64 && random_.chance(0.2) ? DType::f64 : DType::f32;
  }

  DType integer_type() {
    if (options_.small_types && random_.chance(0.6))
      return random_.chance(0.5) ? DType::i8 : DType::u8;
    return random_.chance(0.3) ? DType::i64 : DType::i32;
  }

  // One random choice a line: the order in which arguments are evaluated is the compiler's.
  void make_border() {
    program_.input("x", some_dims(0.6));
    const DType y_type = float_type();
    program_.input("y", some_dims(0.6), y_type);
    const DType w_type = options_.small_types ? float_type() : DType::f32;
    program_.parameter("w", some_dims(0.5), uniform(-1, 1), w_type);
    if (random_.chance(0.6)) {
      const DType u_type = float_type();
      program_.parameter("u", some_dims(0.5), constant(0.5), u_type);
    }
    if (random_.chance(0.4)) program_.state("s", some_dims(0.4), constant(0.25));
    if (options_.integers) {
      const DType n_type = integer_type();
      program_.input("n", some_dims(0.4), n_type);
      if (random_.chance(0.3)) program_.state("steps", {}, zeros(), DType::i64);
    }
    if (options_.booleans) program_.input("mask", some_dims(0.5), DType::b8);
    if (options_.gathers) {
      const DType at_type = integer_type();
      program_.input("at", some_dims(0.3), at_type);
    }
  }

  // --- Definitions and the rest ----------------------------------------------------------------

  void make_one_definition(int i) {
    const std::string name = "v" + std::to_string(i);
    const Dims scope = some_dims(0.5);
    const int kind = random_.below(10);
    Bounded value{0, 1};
    if (kind == 0 && options_.integers) {
      value = formulas_.int_value(integer_type(), scope, options_.depth);
    } else if (kind == 1 && options_.booleans) {
      value = {formulas_.bool_value(scope, options_.depth), 1};
    } else {
      value = formulas_.tame(formulas_.float_value(float_type(), scope, options_.depth));
    }
    // Now and then a definition without a name, which the program names.
    if (random_.chance(0.15)) {
      const Tensor part(value.expr);
      formulas_.set_bound(name, value.bound);
      program_.define(name, Expr(part));
      formulas_.set_bound(part.name(), value.bound);
      return;
    }
    Dims order = random_.chance(0.3) ? value.expr.dims() : Dims{};
    shuffle(order);
    program_.define(name, value.expr, std::source_location::current(), order);
    formulas_.set_bound(name, value.bound);
  }

  // One or two carried values that feed each other: through elements, neighbours, and sums.
  void make_loop(int number) {
    const std::string name = "l" + std::to_string(number);
    const Dim step(name + "_step", random_.below(5));
    const DType type = float_type();
    std::vector<Expr> initial, added;
    const int count = 1 + random_.below(2);
    const Expr first = formulas_.tame(formulas_.float_value(type, some_dims(0.3), 2), 1).expr;
    for (int i = 0; i < count; ++i) {
      // An iteration may not swap dims, so both begin with the same.
      initial.push_back(i == 1 ? 0.5 * first : first);
      added.push_back(formulas_.tame(formulas_.float_value(type, some_dims(0.4), 3), 1).expr);
    }
    const int form = random_.below(4);
    const bool ends = random_.chance(0.3);
    const Loop result = loop(step, initial, [&](const std::vector<Tensor>& carried) {
      Iteration iteration;
      for (size_t i = 0; i < carried.size(); ++i)
        iteration.next.push_back(
            next_value(form, carried[(i + 1) % carried.size()], added[i], step));
      if (ends)
        iteration.while_holds = Expr(carried[0]) < 0.5;
      else
        iteration.each = {carried[0] * iteration.next[0]};
      return iteration;
    });
    for (size_t i = 0; i < result.last.size(); ++i)
      keep(name + "_" + std::to_string(i), result.last[i]);
    if (!ends && step.extent() > 0) keep(name + "_each", sum(Dims{step}, result.each[0]) * 0.2);
  }

  void keep(const std::string& name, const Expr& value) {
    program_.define(name, value);
    formulas_.set_bound(name, 2);
  }

  // Within ±2 when both are.
  static Expr next_value(int form, const Tensor& carried, const Expr& added, const Dim& step) {
    const Expr value = carried;
    const Dims dims = subtract(value.dims(), {step});
    if (form == 0 || dims.empty()) return 0.5 * value + 0.5 * added;
    const Dim& dim = dims[0];
    if (form == 1) return 0.5 * value.at(dim, index(dim) - 1, 0.0) + 0.5 * added;
    if (form == 2) return 0.5 * added + 0.25 * mean(dim, value) + 0.25 * value;
    const Expr turned = value.at(dim, static_cast<int>(dim.extent()) - 1 - index(dim));
    return 0.4 * turned * added + 0.1 * cast(value.type(), index(step) % 2);
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
    formulas_.set_bound("loss", 1e9);  // too large to be read again
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
        const Bounded value =
            formulas_.tame(formulas_.float_value(tensor.type(), sorted(tensor.dims()), 2), 1);
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
  RandomFormula formulas_;
};

}  // namespace

Program random_program(uint64_t seed, const RandomProgramOptions& options) {
  return Generator(seed, options).run();
}

}  // namespace tessera
