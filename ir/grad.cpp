#include "ir/grad.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/product.h"
#include "ir/simplify.h"
#include "ir/structure.h"
#include "ir/widen.h"

namespace tessera {
namespace {

Expr zero(DType type) {
  return make_constant(Scalar::of_number(type, 0));
}

Expr plain_read(const Tensor& tensor) {
  return make_read(tensor, tensor.where());
}

bool is_zero(const Expr& value) {
  const Constant* constant = as<Constant>(value);
  return constant != nullptr && constant->value.number() == 0;
}

// adjoint * factor; where a guard makes the adjoint 0, whatever the factor is there.
Expr times(const Expr& adjoint, const Expr& factor) {
  const Apply* guard = as<Apply>(adjoint);
  if (guard == nullptr || guard->fn != Fn::where) return adjoint * factor;
  const Expr& taken = guard->args[1];
  const Expr& other = guard->args[2];
  if (is_zero(other)) return where(guard->args[0], times(taken, factor), other, adjoint.where());
  if (is_zero(taken)) return where(guard->args[0], taken, times(other, factor), adjoint.where());
  return adjoint * factor;
}

// Adjoints of the nodes of one scalar formula, from the root down. One that is dear and that
// several tensors receive is given to `name`, if there is one, and read from what that returns.
class BodyAdjoints {
 public:
  BodyAdjoints(const Expr& body, const Expr& seed,
               const std::function<Tensor(const Expr& adjoint)>& name) {
    add(body, seed);
    const std::vector<Expr> nodes = subexpressions(body);
    for (size_t i = nodes.size(); i-- > 0;) {
      const Apply* apply = as<Apply>(nodes[i]);
      const auto it = adjoint_.find(&nodes[i].node());
      if (apply == nullptr || it == adjoint_.end()) continue;
      if (name && i + 1 < nodes.size() && is_dear(it->second) && has_several_tensors(nodes[i]))
        it->second = plain_read(name(it->second));
      spread(nodes[i], *apply, it->second);
    }
  }

  std::optional<Expr> of(const Expr& node) const {
    const auto it = adjoint_.find(&node.node());
    if (it == adjoint_.end()) return std::nullopt;
    return it->second;
  }

 private:
  // More to compute than to read.
  static bool is_dear(const Expr& adjoint) {
    constexpr double kDear = 8;
    return work_of(adjoint).flops >= kDear;
  }

  static bool has_several_tensors(const Expr& node) {
    const std::vector<Tensor> read = tensors_read(node);
    return std::count_if(read.begin(), read.end(),
                         [](const Tensor& tensor) { return is_float(tensor.type()); }) > 1;
  }

  void add(const Expr& node, const Expr& adjoint) {
    if (!is_float(node.type())) return;
    const auto [it, fresh] = adjoint_.emplace(&node.node(), adjoint);
    if (!fresh) it->second = it->second + adjoint;
  }

  void spread(const Expr& node, const Apply& apply, const Expr& adjoint) {
    if (apply.fn == Fn::where) {
      add(apply.args[1], where(apply.args[0], adjoint, zero(node.type()), node.where()));
      add(apply.args[2], where(apply.args[0], zero(node.type()), adjoint, node.where()));
      return;
    }
    for (size_t k = 0; k < apply.args.size(); ++k) {
      if (!is_float(apply.args[k].type())) continue;
      if (as<Constant>(apply.args[k]) != nullptr) continue;
      if (apply.fn == Fn::cast) {
        add(apply.args[k], make_cast(apply.args[k].type(), adjoint, node.where()));
        continue;
      }
      const std::optional<Expr> factor = derivative(apply.fn, apply.args, node, k);
      if (!factor) continue;
      // A product with what is read stays one, which may be a contraction.
      const bool product = apply.fn == Fn::mul && as<Read>(apply.args[k]) != nullptr;
      add(apply.args[k], simplify_(product ? adjoint * *factor : times(adjoint, *factor)));
    }
  }

  Simplifier simplify_;
  std::unordered_map<const ExprNode*, Expr> adjoint_;
};

// prod over the values of `dim` before (or after) the one at hand of `value`.
Expr product_beside(const Expr& value, const Dim& dim, bool before) {
  const Dim other(dim.name() + "_", dim.extent(), dim.where());
  const Expr there = substitute(value, {{dim, make_index(other)}});
  const Expr beside =
      before ? make_index(other) < make_index(dim) : make_index(other) > make_index(dim);
  return prod(Dims{other}, where(beside, there, make_constant(Scalar::of_number(value.type(), 1))));
}

// The derivative of a product by one of its factors, without dividing by it: for each reduced dim,
// what lies before and after the factor's index, of the products over the dims that follow.
//
//   d prod[k](v) / d v[k] = prod[j](where(j < k, v[j], 1)) * prod[j](where(j > k, v[j], 1))
Expr product_of_others(const Nest& nest, const Define& define) {
  const std::string& name = nest.out.name();
  std::optional<Expr> others;
  Dims inner = nest.reduced;
  while (!inner.empty()) {
    const Dim dim = inner.front();
    inner.erase(inner.begin());
    const Expr factor =
        inner.empty() ? nest.body : plain_read(define(name + "_factor", prod(inner, nest.body)));
    for (const bool before : {true, false}) {
      const Expr product = plain_read(
          define(name + (before ? "_before" : "_after"), product_beside(factor, dim, before)));
      others = others ? *others * product : product;
    }
  }
  return *others;
}

// d out / d body, times the adjoint of out, over the loops of the nest.
Expr seed_of(const Nest& nest, const Expr& out_adjoint, const Define& define) {
  if (!nest.op || nest.op == ReduceOp::sum) return out_adjoint;
  const Expr out = plain_read(nest.out);
  const DType type = nest.body.type();
  const auto one_where = [&](const Expr& condition) {
    return where(condition, make_constant(Scalar::of_number(type, 1)), zero(type));
  };
  if (nest.op == ReduceOp::max || nest.op == ReduceOp::min) {
    const Expr reaches = equal(nest.body, out);
    const Tensor ties = define(nest.out.name() + "_ties", sum(nest.reduced, one_where(reaches)));
    return where(reaches, out_adjoint / plain_read(ties), zero(type));
  }
  TESSERA_CHECK(nest.op == ReduceOp::prod);
  return out_adjoint * product_of_others(nest, define);
}

// sum over `loops`, of which `value` may lack some: those multiply by their extent.
Expr sum_over(const Dims& loops, const Expr& value) {
  const Dims present = intersect(loops, value.dims());
  const double repeats = static_cast<double>(volume(subtract(loops, present)));
  Expr result = present.empty() ? value : sum(present, value, value.where());
  return repeats == 1 ? result : result * make_constant(Scalar::of_number(value.type(), repeats));
}

// How a nest's loops map to the dims of the tensor that one access reads.
struct AccessMap {
  std::map<Dim, Expr> rename;  // loop -> index over the tensor's dims, or a fresh loop
  std::vector<Expr> guards;    // conditions on the renamed loops
  Dims summed;                 // loops left over
};

// At one index of `along` the adjoint is that of what stands at the same index.
void check_stays(const Nest& nest, const Read& read, const Dims& along) {
  const Dims& target = read.tensor.dims();
  for (size_t i = 0; i < target.size(); ++i) {
    const IndexOf* plain = as<IndexOf>(read.indices[i].value);
    if (!contains(along, target[i]) || (plain != nullptr && plain->dim == target[i])) continue;
    throw UserError(nest.out.where(), "grad derives at each `" + target[i].name() +
                                          "` on its own, and `" + nest.out.name() + "` reads `" +
                                          read.tensor.name() + "` at others, too; take the grad " +
                                          "of a sum over `" + target[i].name() + "` instead");
  }
}

// `along`: loops that stay what they are.
AccessMap map_access(const Nest& nest, const Read& read, const Dims& along) {
  AccessMap map;
  const Dims& target = read.tensor.dims();
  Dims matched;
  std::vector<size_t> guarded;
  for (size_t i = 0; i < target.size(); ++i) {
    const IndexOf* plain = as<IndexOf>(read.indices[i].value);
    if (plain != nullptr && plain->dim.extent() == target[i].extent() &&
        !contains(matched, plain->dim) &&
        (plain->dim == target[i] || !contains(along, plain->dim))) {
      matched.push_back(plain->dim);
      if (!(plain->dim == target[i])) map.rename.emplace(plain->dim, make_index(target[i]));
    } else {
      guarded.push_back(i);
    }
  }
  for (const Dim& loop : nest.loops()) {
    if (contains(matched, loop) || contains(along, loop)) continue;
    Dim name = loop;
    if (contains(target, loop)) {  // the tensor's own dim: sum over another of that extent
      name = Dim(loop.name() + "_", loop.extent(), loop.where());
      map.rename.emplace(loop, make_index(name));
    }
    map.summed.push_back(name);
  }
  for (size_t i : guarded)
    map.guards.push_back(equal(substitute(read.indices[i].value, map.rename), make_index(target[i]),
                               nest.body.where()));
  return map;
}

// The nest with other reduced dims than those of `along`.
Nest apart_from(const Nest& nest, const Dims& along) {
  if (intersect(nest.reduced, along).empty()) return nest;
  Nest result = nest;
  std::map<Dim, Expr> renamed;
  for (Dim& dim : result.reduced) {
    if (!contains(along, dim)) continue;
    const Dim other(dim.name() + "_", dim.extent(), dim.where());
    renamed.emplace(dim, make_index(other));
    dim = other;
  }
  result.reduced = sorted(result.reduced);
  result.body = substitute(nest.body, renamed);
  return result;
}

}  // namespace

std::optional<Expr> adjoint_contribution(const Nest& whole, const Tensor& wrt,
                                         const Expr& out_adjoint, const Dims& along,
                                         const Define& define) {
  const Nest nest = apart_from(whole, along);
  if (!is_float(nest.body.type()) || !is_float(wrt.type())) return std::nullopt;
  std::vector<Expr> reads;
  for (const Expr& read : reads_of(nest))
    if (as<Read>(read)->tensor == wrt) reads.push_back(read);
  if (reads.empty()) return std::nullopt;
  // Over the loops of a reduction it could be much larger than what is reduced.
  std::function<Tensor(const Expr&)> name;
  if (!nest.op)
    name = [&](const Expr& adjoint) { return define("d_" + nest.out.name() + "_part", adjoint); };
  const BodyAdjoints adjoints(nest.body, seed_of(nest, out_adjoint, define), name);
  std::optional<Expr> total;
  for (const Expr& node : reads) {
    const std::optional<Expr> adjoint = adjoints.of(node);
    if (!adjoint) continue;
    check_stays(nest, *as<Read>(node), along);
    const AccessMap map = map_access(nest, *as<Read>(node), along);
    // Of bf16 and f16, the sum is rounded once.
    Expr term = substitute(unrounded(*adjoint), map.rename);
    for (const Expr& guard : map.guards) term = where(guard, term, zero(term.type()));
    term = make_cast(adjoint->type(), sum_over(map.summed, simplify(term)), term.where());
    total = total ? *total + term : term;
  }
  return total;
}

Dims adjoint_dims(const Tensor& loss, const Tensor& tensor) {
  Dims dims = tensor.dims();
  for (const Dim& dim : loss.dims())
    if (!contains(dims, dim)) dims.push_back(dim);
  return dims;
}

bool is_differentiable(const Nest& nest, const Tensor& wrt) {
  return is_float(nest.body.type()) && is_float(wrt.type()) && reads_tensor(nest.body, wrt);
}

}  // namespace tessera
