#include "ir/split_phases.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ir/guards.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// stride*outer + sign*tap + shift == place, with sign 1 or -1.
struct StrideEquation {
  Dim place;       // of the result
  Dim outer, tap;  // reduced
  int64_t stride;  // 2 or more
  int64_t sign;
  int64_t shift;
};

int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::optional<StrideEquation> stride_equation(const Expr& condition, const Dims& out,
                                              const Dims& reduced) {
  const std::optional<Affine> zero = equation_of(condition);
  if (!zero || zero->terms.size() != 3) return std::nullopt;
  const auto place = std::find_if(zero->terms.begin(), zero->terms.end(), [&](const auto& term) {
    return contains(out, term.first) && std::abs(term.second) == 1;
  });
  if (place == zero->terms.end()) return std::nullopt;
  const int64_t side = -place->second;  // moves the place to the other side
  std::optional<Dim> outer, tap;
  int64_t stride = 0;
  int64_t sign = 0;
  for (const auto& [dim, coefficient] : zero->terms) {
    if (dim == place->first || !contains(reduced, dim)) continue;
    const int64_t turned = side * coefficient;
    if (turned >= 2 && !outer) {
      outer = dim;
      stride = turned;
    } else if (std::abs(turned) == 1 && !tap) {
      tap = dim;
      sign = turned;
    }
  }
  if (!outer || !tap) return std::nullopt;
  return StrideEquation{place->first, *outer, *tap, stride, sign, side * zero->constant};
}

// The dims and indices that take the place of those of an equation: with z = place - shift,
// z = stride*(unit + first) + phase, and
//   sign 1:   outer = unit + first - step,  tap = stride*step + phase
//   sign -1:  outer = unit + first + step,  tap = stride*step - phase
struct Phases {
  explicit Phases(const StrideEquation& e)
      : first(floor_div(-e.shift, e.stride)),
        unit(e.place.name() + "_unit",
             floor_div(e.place.extent() - 1 - e.shift, e.stride) - first + 1, e.place.where()),
        phase(e.place.name() + "_phase", e.sign > 0 ? std::min(e.stride, e.tap.extent()) : e.stride,
              e.place.where()),
        step(e.tap.name() + "_step", steps(e), e.tap.where()) {}

  static int64_t steps(const StrideEquation& e) {
    const int64_t last = e.tap.extent() - 1 + (e.sign > 0 ? 0 : e.stride - 1);
    return last / e.stride + 1;
  }

  int64_t first;
  Dim unit, phase, step;
};

Expr outer_index(const StrideEquation& e, const Phases& p) {
  Affine form{{{p.unit, 1}, {p.step, -e.sign}}, p.first};
  return to_expr(form);
}

Expr tap_index(const StrideEquation& e, const Phases& p) {
  Affine form{{{p.step, e.stride}, {p.phase, e.sign}}, 0};
  return to_expr(form);
}

Dims replaced(const Dims& order, const StrideEquation& e, const Phases& p) {
  Dims result;
  for (const Dim& dim : order) {
    result.push_back(dim == e.place ? p.unit : dim);
    if (dim == e.place) result.push_back(p.phase);
  }
  return result;
}

// Does nothing but the equation use the place, and may all else be read where phases are padded?
bool splits(const GuardedValue& rest, const StrideEquation& e, const Dims& iterated) {
  const Dims used = sorted({e.place, e.outer, e.tap});
  if (!intersect(used, sorted(iterated)).empty() || e.place.extent() <= e.stride) return false;
  if (e.outer.extent() == 0 || e.tap.extent() == 0) return false;
  const Expr whole = join_guards(rest);
  return !contains(whole.dims(), e.place) && !reads_may_leave(whole) &&
         can_pad_reads(whole, e.outer) && can_pad_reads(whole, e.tap);
}

// t of the example.
Expr sum_of_phases(const Reduce& reduce, const GuardedValue& rest, const StrideEquation& e,
                   const Phases& p) {
  const Expr outer = outer_index(e, p);
  const Expr tap = tap_index(e, p);
  const auto put_in = [&](const Expr& expr) {
    return substitute(pad_reads(pad_reads(expr, e.outer), e.tap), {{e.outer, outer}, {e.tap, tap}});
  };
  GuardedValue guarded{{}, put_in(rest.value)};
  for (const Expr& condition : rest.conditions) guarded.conditions.push_back(put_in(condition));
  guard_inside(guarded, outer, e.outer.extent(), ReduceOp::sum);
  guard_inside(guarded, tap, e.tap.extent(), ReduceOp::sum);
  const Dims reduced = unite(subtract(reduce.dims, sorted({e.outer, e.tap})), {p.step});
  return make_reduce(Reduction::sum, reduced, join_guards(guarded), reduce.body.where());
}

Expr assembled(const Tensor& phases, const StrideEquation& e, const Phases& p, DType type) {
  const Expr from_shift = to_expr(Affine{{{e.place, 1}}, -e.shift});
  std::vector<Index> indices;
  for (const Dim& dim : phases.dims()) {
    Expr index = make_index(dim);
    if (dim == p.unit) {
      index = make_apply(Fn::floordiv, {from_shift, to_expr(Affine{{}, e.stride})});
      if (p.first != 0) index = make_apply(Fn::sub, {index, to_expr(Affine{{}, p.first})});
    }
    if (dim == p.phase) index = make_apply(Fn::mod, {from_shift, to_expr(Affine{{}, e.stride})});
    indices.push_back({index, dim == p.phase && dim.extent() < e.stride});
  }
  const bool padded = p.phase.extent() < e.stride;
  return make_read(phases, indices,
                   padded ? std::optional(Scalar::of_number(type, 0)) : std::nullopt);
}

}  // namespace

Expr split_phases(const Expr& value, const Dims& order, const Dims& iterated,
                  const std::function<Tensor(const Expr& value, const Dims& order)>& define) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr || reduce->op != Reduction::sum) return value;
  const GuardedValue guarded = split_guards(reduce->body);
  for (size_t i = 0; i < guarded.conditions.size(); ++i) {
    const auto e = stride_equation(guarded.conditions[i], order, reduce->dims);
    if (!e) continue;
    GuardedValue rest = guarded;
    rest.conditions.erase(rest.conditions.begin() + static_cast<std::ptrdiff_t>(i));
    if (!splits(rest, *e, iterated)) continue;
    const Phases phases(*e);
    const Tensor made =
        define(sum_of_phases(*reduce, rest, *e, phases), replaced(order, *e, phases));
    return assembled(made, *e, phases, value.type());
  }
  return value;
}

}  // namespace tessera
