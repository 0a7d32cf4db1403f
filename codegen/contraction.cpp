#include "codegen/contraction.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <vector>

#include "base/error.h"
#include "codegen/contraction_layout.h"
#include "codegen/guarded_product.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// More factors than this are not worth 2^n splits; no program met has more than four.
constexpr size_t kMaxFactors = 8;

void collect_factors(const Expr& expr, std::vector<Expr>& factors) {
  const Apply* apply = as<Apply>(expr);
  if (apply != nullptr && apply->fn == Fn::mul) {
    for (const Expr& arg : apply->args) collect_factors(arg, factors);
  } else if (apply != nullptr && apply->fn == Fn::div && is_float(expr.type())) {
    collect_factors(apply->args[0], factors);
    const Expr one = make_constant(Scalar::of_float(expr.type(), 1), expr.where());
    factors.push_back(make_apply(Fn::div, {one, apply->args[1]}, expr.where()));
  } else if (apply != nullptr && apply->fn == Fn::neg) {
    collect_factors(apply->args[0], factors);
    const Scalar minus_one =
        is_float(expr.type()) ? Scalar::of_float(expr.type(), -1) : Scalar::of_int(expr.type(), -1);
    factors.push_back(make_constant(minus_one, expr.where()));
  } else {
    factors.push_back(expr);
  }
}

// A product of some of the factors; nothing when there are none.
std::optional<Expr> product(const std::vector<Expr>& factors, uint32_t chosen) {
  std::optional<Expr> result;
  for (size_t i = 0; i < factors.size(); ++i) {
    if ((chosen >> i & 1) == 0) continue;
    result = result ? make_apply(Fn::mul, {*result, factors[i]}, factors[i].where()) : factors[i];
  }
  return result;
}

Dims dims_of(const std::vector<Expr>& factors, uint32_t chosen) {
  Dims dims;
  for (size_t i = 0; i < factors.size(); ++i)
    if (chosen >> i & 1) dims = unite(dims, factors[i].dims());
  return dims;
}

// One way to give the factors to a, b and scale: bit sets over the factors.
struct Split {
  uint32_t a = 0, b = 0, scale = 0;
  int64_t reuse = 0;    // the smaller of |m| and |n|
  double elements = 0;  // of both operands
  double work = 0;      // factors of all of these, which packing multiplies
  bool beats(const Split& other) const {
    if (reuse != other.reuse) return reuse > other.reuse;
    if (elements != other.elements) return elements < other.elements;
    return work < other.work;
  }
};

// The roles that a split gives, or nothing when a dim of the result appears nowhere or m or n is
// empty.
std::optional<Contraction> roles(const Nest& nest, const std::vector<Expr>& factors,
                                 const Split& split) {
  const Dims out = sorted(nest.out.dims());
  const Dims in_a = dims_of(factors, split.a), in_b = dims_of(factors, split.b);
  Contraction c{.nest = nest,
                .type = nest.body.type(),
                .batch = intersect(out, intersect(in_a, in_b)),
                .m = subtract(intersect(out, in_a), in_b),
                .n = subtract(intersect(out, in_b), in_a),
                .k = nest.reduced,
                .a = *product(factors, split.a),
                .b = *product(factors, split.b),
                .scale = product(factors, split.scale),
                .pair = std::nullopt};
  if (c.m.empty() || c.n.empty() || !subtract(out, unite(in_a, in_b)).empty()) return std::nullopt;
  return c;
}

// The guard moves into the operand that has its dims, if there is one.
bool put_guard(Contraction& c, const Expr& condition) {
  const auto has_dims = [&](const Expr& operand) {
    return subtract(condition.dims(), operand.dims()).empty();
  };
  const bool in_a = has_dims(c.a);
  if (!in_a && !has_dims(c.b)) return false;
  Expr& operand = in_a ? c.a : c.b;
  operand = left_out_unless(condition, operand);
  (in_a ? c.guarded_a : c.guarded_b) = is_float(c.type);
  return true;
}

std::optional<Contraction> find_product(const Nest& nest) {
  if (nest.op != ReduceOp::sum || nest.reduced.empty() || nest.body.type() == DType::b8)
    return std::nullopt;
  const auto [condition, summand] = guarded_product(nest.body);
  if (condition && (reads_may_leave(nest.body) || find_scatter(nest) || find_scan(nest)))
    return std::nullopt;
  std::vector<Expr> factors;
  collect_factors(summand, factors);
  if (factors.size() < 2 || factors.size() > kMaxFactors) return std::nullopt;

  uint32_t scalars = 0;    // factors that are the same everywhere
  uint32_t unreduced = 0;  // factors that could stand outside the sum
  for (size_t i = 0; i < factors.size(); ++i) {
    // What a guard leaves out may be infinite.
    if (condition && as<Constant>(factors[i]) == nullptr) continue;
    if (factors[i].dims().empty()) scalars |= 1u << i;
    if (intersect(factors[i].dims(), nest.reduced).empty()) unreduced |= 1u << i;
  }
  const uint32_t all = (1u << factors.size()) - 1;

  std::optional<Contraction> best;
  Split best_split;
  for (const uint32_t scale : {scalars, unreduced}) {
    const uint32_t rest = all & ~scale;
    for (uint32_t a = rest; a != 0; a = (a - 1) & rest) {
      const uint32_t first = rest & (~rest + 1);
      if ((a & first) == 0 || a == rest) continue;
      Split split{.a = a, .b = rest & ~a, .scale = scale};
      std::optional<Contraction> c = roles(nest, factors, split);
      if (!c || (condition && !put_guard(*c, *condition))) continue;
      split.reuse = std::min(volume(c->m), volume(c->n));
      const auto in_a = static_cast<double>(volume(c->a.dims()));
      const auto in_b = static_cast<double>(volume(c->b.dims()));
      split.elements = in_a + in_b;
      split.work = in_a * std::popcount(split.a) + in_b * std::popcount(split.b);
      if (best && !split.beats(best_split)) continue;
      best = std::move(c);
      best_split = split;
    }
    if (unreduced == scalars) break;
  }
  return best;
}

std::optional<Contraction> find_pairs(const Nest& nest) {
  std::optional<Pairing> found = find_pairing(nest);
  if (!found || find_scatter(nest) || find_scan(nest)) return std::nullopt;
  return Contraction{.nest = nest,
                     .type = nest.body.type(),
                     .batch = std::move(found->batch),
                     .m = std::move(found->m),
                     .n = std::move(found->n),
                     .k = nest.reduced,
                     .a = std::move(found->a),
                     .b = std::move(found->b),
                     .scale = std::nullopt,
                     .pair = std::move(found->body)};
}

}  // namespace

std::optional<Contraction> find_contraction(const Nest& nest) {
  if (volume(nest.loops()) == 0) return std::nullopt;  // combining nothing needs no tiles
  std::optional<Contraction> product = find_product(nest);
  return product ? product : find_pairs(nest);
}

namespace {

// `body` with reads of `producer.out` replaced by the producer's formula.
Expr inline_map(const Expr& body, const Nest& producer) {
  return transform(body, [&](const Expr& node) {
    const Read* read = as<Read>(node);
    if (read == nullptr || read->tensor != producer.out) return node;
    std::map<Dim, Expr> indices;
    for (size_t i = 0; i < read->indices.size(); ++i)
      indices.emplace(producer.out.dims()[i], read->indices[i].value);
    return substitute(producer.body, indices);
  });
}

bool reads_padded(const Nest& nest, const Tensor& tensor) {
  for (const Expr& node : reads_of(nest)) {
    const Read* read = as<Read>(node);
    if (read->tensor == tensor && read->pad) return true;
  }
  return false;
}

// Is every read of `tensor` the element of the point at which the nest writes?
bool reads_in_place(const Nest& nest, const Tensor& tensor) {
  for (const Expr& node : reads_of(nest)) {
    const Read* read = as<Read>(node);
    if (read->tensor != tensor) continue;
    if (read->pad) return false;
    for (size_t i = 0; i < read->indices.size(); ++i) {
      const IndexOf* index = as<IndexOf>(read->indices[i].value);
      if (index == nullptr || index->dim != tensor.dims()[i]) return false;
    }
  }
  return true;
}

bool is_epilogue(const Nest& nest, const Nest& contraction, const std::vector<Nest>& before) {
  if (nest.op || !same_set(nest.out.dims(), contraction.out.dims())) return false;
  if (!reads_in_place(nest, contraction.out)) return false;
  return std::all_of(before.begin(), before.end(),
                     [&](const Nest& earlier) { return reads_in_place(nest, earlier.out); });
}

}  // namespace

std::vector<Tensor> ContractionGroup::arguments() const {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), outputs.begin(), outputs.end());
  return all;
}

std::optional<ContractionGroup> find_contraction(const KernelGroup& group) {
  const auto is_sum = [](const Nest& nest) { return nest.op.has_value(); };
  const auto at = std::find_if(group.nests.begin(), group.nests.end(), is_sum);
  if (at == group.nests.end()) return std::nullopt;
  Nest nest = *at;
  for (auto producer = at; producer != group.nests.begin();) {
    --producer;
    const bool kept =
        std::find(group.outputs.begin(), group.outputs.end(), producer->out) != group.outputs.end();
    if (kept || reads_padded(nest, producer->out)) return std::nullopt;
    nest.body = inline_map(nest.body, *producer);
  }
  std::optional<Contraction> contraction = find_contraction(nest);
  if (!contraction) return std::nullopt;
  ContractionGroup result{.contraction = std::move(*contraction),
                          .epilogue = {},
                          .inputs = group.inputs,
                          .outputs = group.outputs};
  for (auto later = at + 1; later != group.nests.end(); ++later) {
    if (!is_epilogue(*later, nest, result.epilogue)) return std::nullopt;
    for (auto producer = group.nests.begin(); producer != at; ++producer)
      if (reads_tensor(later->body, producer->out)) return std::nullopt;
    result.epilogue.push_back(*later);
  }
  return result;
}

Contraction swapped(const Contraction& contraction) {
  Contraction c = contraction;
  std::swap(c.m, c.n);
  std::swap(c.a, c.b);
  std::swap(c.guarded_a, c.guarded_b);
  if (c.pair) std::swap(c.pair->left, c.pair->right);
  return c;
}

ContractionGroup swapped(const ContractionGroup& group) {
  ContractionGroup result = group;
  result.contraction = swapped(group.contraction);
  std::swap(result.stays_a, result.stays_b);
  return result;
}

namespace {

// Does an operand that has the result's last dim hold it other than contiguously?
bool needs_transpose(const Contraction& c) {
  const Dim& last = c.nest.out.dims().back();
  for (const Expr& node : reads_of(c.nest)) {
    const std::optional<Affine> form = address_of(*as<Read>(node));
    if (!form) continue;
    const auto step = form->terms.find(last);
    if (step != form->terms.end() && step->second != 1) return true;
  }
  return false;
}

}  // namespace

bool worth_tiling(const Contraction& c) {
  const int64_t m = volume(c.m), n = volume(c.n), k = volume(c.k);
  if (m * n * k * volume(c.batch) == 0) return false;  // nothing to multiply
  // Measured against the general nest, which keeps up to 16 steps of k, and two rows, in registers
  // too but cannot transpose.
  if (std::min(m, n) < 3 || std::max(m, n) < 4 || m * n * k < 2048) return false;
  return k >= 16 || (k >= 4 && needs_transpose(c));
}

std::string describe(const Contraction& c) {
  return "m = " + describe(c.m) + "; n = " + describe(c.n) + "; k = " + describe(c.k) +
         "; batch = " + describe(c.batch);
}

}  // namespace tessera
