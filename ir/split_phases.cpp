#include "ir/split_phases.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "ir/floor_division.h"
#include "ir/guards.h"
#include "ir/remainders.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// common * (stride*outer + dilation*tap) + shift == place, of which the tap may be missing; stride
// and dilation have no common divisor.
struct StrideEquation {
  Dim place;  // of the result
  Dim outer;  // reduced
  Dims tap;   // reduced, or none
  int64_t common = 1;
  int64_t stride = 1;
  int64_t dilation = 0;
  int64_t shift = 0;

  int64_t taps() const { return volume(tap); }
  // That are left when the outer dim follows from the others.
  int64_t steps() const { return (taps() + stride - 1) / stride; }
};

// Of the ways to take `condition` apart the one with the fewest steps; nothing where an equation
// that is solved without dividing leaves no more.
std::optional<StrideEquation> stride_equation(const Expr& condition, const Dims& out,
                                              const Dims& reduced) {
  const std::optional<Affine> zero = equation_of(condition);
  if (!zero || zero->terms.size() < 2 || zero->terms.size() > 3) return std::nullopt;
  const auto place = std::find_if(zero->terms.begin(), zero->terms.end(), [&](const auto& term) {
    return contains(out, term.first) && std::abs(term.second) == 1;
  });
  if (place == zero->terms.end()) return std::nullopt;
  std::vector<std::pair<Dim, int64_t>> terms;  // on the other side of the place
  for (const auto& [dim, coefficient] : zero->terms)
    if (!(dim == place->first)) terms.emplace_back(dim, -place->second * coefficient);
  std::optional<StrideEquation> best;
  std::optional<int64_t> undivided;  // steps where a coefficient is 1 or -1
  for (size_t i = 0; i < terms.size(); ++i) {
    if (!contains(reduced, terms[i].first)) return std::nullopt;
    const Dims tap = terms.size() == 2 ? Dims{terms[1 - i].first} : Dims{};
    const int64_t side = terms[i].second < 0 ? -1 : 1;
    const int64_t stride = side * terms[i].second;
    const int64_t dilation = tap.empty() ? 0 : terms[1 - i].second;
    const int64_t common = std::gcd(stride, dilation);
    StrideEquation e{place->first,
                     terms[i].first,
                     tap,
                     common,
                     stride / common,
                     dilation / common,
                     -place->second * zero->constant};
    if (stride == 1) undivided = std::min(undivided.value_or(e.taps()), e.taps());
    if (side < 0 || stride == 1) continue;
    if (!best || e.steps() < best->steps()) best = e;
  }
  if (best && undivided && *undivided <= best->steps()) return std::nullopt;
  return best;
}

// The dims and indices that take the place of those of an equation: with z = (place - shift) /
// common, z = stride*(unit + first) + dilation*phase, and
//   outer = unit + first - dilation*step,  tap = stride*step + phase
struct Phases {
  explicit Phases(const StrideEquation& e, int64_t first_unit, int64_t units)
      : first(first_unit),
        unit(e.place.name() + "_unit", units, e.place.where()),
        phase(e.place.name() + "_phase", std::min(e.stride, e.taps()), e.place.where()) {
    for (const Dim& tap : e.tap) step.emplace_back(tap.name() + "_step", e.steps(), tap.where());
  }

  int64_t first;
  Dim unit, phase;
  Dims step;  // one where there is a tap
};

// What makes dilation*inverse leave 1 when divided by the stride.
int64_t inverse(const StrideEquation& e) {
  for (int64_t i = 1; i < e.stride; ++i)
    if (floor_mod(e.dilation * i, e.stride) == 1) return i;
  return 0;
}

// Nothing where no place is reached.
std::optional<Phases> phases_of(const StrideEquation& e) {
  const int64_t low = -floor_div(e.shift, e.common);  // least and last z
  const int64_t high = floor_div(e.place.extent() - 1 - e.shift, e.common);
  const int64_t turn = inverse(e);
  std::optional<int64_t> first, last;
  // Within a phase units grow with z.
  const auto look_at = [&](int64_t z) {
    const int64_t phase = floor_mod(z * turn, e.stride);
    if (z < low || z > high || phase >= e.taps()) return;
    const int64_t unit = (z - e.dilation * phase) / e.stride;
    first = std::min(first.value_or(unit), unit);
    last = std::max(last.value_or(unit), unit);
  };
  for (int64_t i = 0; i < e.stride; ++i) {
    look_at(low + i);
    look_at(high - i);
  }
  if (!first) return std::nullopt;
  return Phases(e, *first, *last - *first + 1);
}

Expr outer_index(const StrideEquation& e, const Phases& p) {
  Affine form{{{p.unit, 1}}, p.first};
  if (!p.step.empty()) form.terms.emplace(p.step[0], -e.dilation);
  return to_expr(form);
}

Expr tap_index(const StrideEquation& e, const Phases& p) {
  return to_expr(Affine{{{p.step[0], e.stride}, {p.phase, 1}}, 0});
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
  const Dims used = unite(sorted({e.place, e.outer}), e.tap);
  if (!intersect(used, sorted(iterated)).empty()) return false;
  if (e.place.extent() <= e.stride * e.common) return false;
  if (e.outer.extent() == 0 || e.taps() == 0) return false;
  const Expr whole = join_guards(rest);
  return !contains(whole.dims(), e.place) && !reads_may_leave(whole) &&
         can_pad_reads(whole, e.outer) && (e.tap.empty() || can_pad_reads(whole, e.tap[0]));
}

// t of the example.
Expr sum_of_phases(Dims reduced, const GuardedValue& rest, const StrideEquation& e,
                   const Phases& p) {
  std::map<Dim, Expr> solution{{e.outer, outer_index(e, p)}};
  if (!e.tap.empty()) solution.emplace(e.tap[0], tap_index(e, p));
  const auto put_in = [&](Expr expr) {
    for (const auto& [dim, index] : solution) expr = pad_reads(expr, dim);
    return substitute(expr, solution);
  };
  GuardedValue guarded{{}, put_in(rest.value)};
  for (const Expr& condition : rest.conditions) guarded.conditions.push_back(put_in(condition));
  for (const auto& [dim, index] : solution) {
    guard_inside(guarded, index, dim.extent(), ReduceOp::sum);
    reduced = subtract(reduced, {dim});
  }
  const Expr body = join_guards(guarded);
  reduced = unite(reduced, p.step);
  return reduced.empty() ? body : make_reduce(Reduction::sum, reduced, body, rest.value.where());
}

Expr number(int64_t value) {
  return to_expr(Affine{{}, value});
}

Expr assembled(const Tensor& phases, const StrideEquation& e, const Phases& p, DType type) {
  const Expr distance = to_expr(Affine{{{e.place, 1}}, -e.shift});
  const Expr z = e.common == 1 ? distance : make_apply(Fn::floordiv, {distance, number(e.common)});
  const Expr turned = make_apply(Fn::mul, {z, number(inverse(e))});
  const bool plain = e.dilation == 1;
  Expr phase = number(0);
  if (e.stride > 1) phase = make_apply(Fn::mod, {plain ? z : turned, number(e.stride)});
  Expr unit = z;
  if (e.stride > 1 && !plain)
    unit = make_apply(Fn::sub, {z, make_apply(Fn::mul, {number(e.dilation), phase})});
  if (e.stride > 1) unit = make_apply(Fn::floordiv, {unit, number(e.stride)});
  if (p.first > 0) unit = make_apply(Fn::sub, {unit, number(p.first)});
  if (p.first < 0) unit = make_apply(Fn::add, {unit, number(-p.first)});
  const bool padded = e.common > 1 || p.phase.extent() < e.stride || (e.stride > 1 && !plain);
  std::vector<Index> indices;
  for (const Dim& dim : phases.dims()) {
    Index index{make_index(dim), false};
    if (dim == p.unit) index = {unit, padded};
    if (dim == p.phase) index = {phase, padded && e.stride > 1};
    indices.push_back(index);
  }
  const Scalar zero = Scalar::of_number(type, 0);
  const Expr read = make_read(phases, indices, padded ? std::optional(zero) : std::nullopt);
  if (e.common == 1) return read;
  const Expr reached =
      make_apply(Fn::eq, {make_apply(Fn::mod, {distance, number(e.common)}), number(0)});
  return make_apply(Fn::where, {reached, read, make_constant(zero)});
}

}  // namespace

Expr split_phases(const Expr& value, const Dims& order, const Dims& iterated,
                  const std::function<Tensor(const Expr& value, const Dims& order)>& define) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr || reduce->op != Reduction::sum) return value;
  const GuardedValue guarded = split_guards(reduce->body);
  for (size_t i = 0; i < guarded.conditions.size(); ++i) {
    GuardedValue rest = guarded;
    Dims reduced = reduce->dims;
    if (const std::optional<Unfolded> unfolded = unfold_remainder(guarded, i)) {
      rest = unfolded->guarded;
      reduced = unite(reduced, {unfolded->quotient});
    }
    const auto e = stride_equation(rest.conditions[i], order, reduced);
    if (!e) continue;
    rest.conditions.erase(rest.conditions.begin() + static_cast<std::ptrdiff_t>(i));
    if (!splits(rest, *e, iterated)) continue;
    const std::optional<Phases> phases = phases_of(*e);
    if (!phases) continue;
    const Tensor made =
        define(sum_of_phases(reduced, rest, *e, *phases), replaced(order, *e, *phases));
    return assembled(made, *e, *phases, value.type());
  }
  return value;
}

}  // namespace tessera
