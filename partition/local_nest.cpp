#include "partition/local_nest.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "ir/floor_division.h"
#include "ir/structure.h"
#include "partition/loop_parts.h"

namespace tessera {
namespace {

Expr shifted(const Expr& index, int64_t by) {
  if (by == 0) return index;
  const Expr amount = make_literal(static_cast<double>(by < 0 ? -by : by), true, index.where());
  return make_apply(by < 0 ? Fn::sub : Fn::add, {index, amount}, index.where());
}

// Rewrites one body.
class Localizer {
 public:
  Localizer(const NestRules& rules, const Assignment& assignment, const std::vector<Part>& operands,
            LocalDims& dims, const std::optional<Turn>& turn)
      : rules_(rules), assignment_(assignment), operands_(operands) {
    for (const Dim& loop : rules.nest().loops()) {
      Axes axes = rules.loop_axes(loop, assignment);
      std::erase_if(axes, [&dims](int axis) { return dims.mesh().size(axis) == 1; });
      loops_.emplace(loop, Loop{dims.local(loop, axes), dims.range(loop, axes).begin});
    }
    if (turn)
      loops_.at(turn->loop) = {
          Dim(turn->loop.name() + ".turn", turn->range.size(), turn->loop.where()),
          turn->range.begin};
    const LoopParts parts(rules, assignment, dims.mesh(), dims.rank());
    for (const Dim& loop : rules.nest().reduced) {
      if (turn && turn->loop == loop) continue;
      const Interval part = parts.of(loop);
      if (part.size() == loops_.at(loop).local.extent() || !leaves_places_out(loop)) continue;
      loops_.at(loop) = {Dim(loop.name() + ".part", part.size(), loop.where()), part.begin};
    }
  }

  const Dim& loop(const Dim& global) const { return loops_.at(global).local; }

  Expr rewrite(const Expr& expr) {
    if (const auto it = done_.find(&expr.node()); it != done_.end()) return it->second;
    Expr result = rewrite_node(expr);
    done_.emplace(&expr.node(), result);
    return result;
  }

 private:
  struct Loop {
    Dim local;
    int64_t begin;
  };

  // Does some operand lack places that the whole loop would read? Then the loop must keep to where
  // the equations around the body may hold.
  bool leaves_places_out(const Dim& loop) const {
    for (size_t k = 0; k < operands_.size(); ++k) {
      const Read& read = *as<Read>(rules_.operands()[k]);
      const Sharding sharding = rules_.operand_sharding(k, assignment_);
      for (size_t i = 0; i < read.indices.size(); ++i) {
        const Box& box = operands_[k].box;
        if (sharding.split[i].empty() && contains(read.indices[i].value.dims(), loop) &&
            box.end[i] - box.begin[i] < read.tensor.dims()[i].extent())
          return true;
      }
    }
    return false;
  }

  Expr rewrite_node(const Expr& expr) {
    if (const IndexOf* index = as<IndexOf>(expr)) {
      const Loop& known = loops_.at(index->dim);
      return shifted(make_index(known.local, expr.where()), known.begin);
    }
    if (const Read* read = as<Read>(expr)) return rewrite_read(expr, *read);
    std::vector<Expr> after;
    for (const Expr& child : children(expr)) after.push_back(rewrite(child));
    return after.empty() ? expr : with_children(expr, after);
  }

  // Does an index go through a loop of which this rank has nothing? Of affine ones that is known,
  // but `y % 4` has bounds whatever y is, and they need not be those of the part.
  bool never_read(const Expr& index) const {
    const Dims dims = index.dims();
    return !affine_form(index) && std::any_of(dims.begin(), dims.end(), [this](const Dim& dim) {
      return loops_.at(dim).local.extent() == 0;
    });
  }

  Expr rewrite_read(const Expr& expr, const Read& read) {
    const size_t operand = rules_.operand_of(expr);
    const Part& part = operands_[operand];
    std::vector<Index> indices;
    std::optional<Scalar> pad = read.pad;
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const int64_t extent = read.tensor.dims()[i].extent();
      Index index{rewrite_index(read.indices[i].value, part.box.begin[i], extent),
                  read.indices[i].padded};
      if (rules_.guarded(operand, i, assignment_) || never_read(read.indices[i].value)) {
        index.padded = true;
        if (!pad) pad = Scalar::of_number(read.tensor.type(), 0);
      }
      indices.push_back(std::move(index));
    }
    return make_read(part.local, std::move(indices), pad, expr.where());
  }

  // Affine indices stay affine: the offsets of loops and part join the constant.
  Expr rewrite_index(const Expr& index, int64_t begin, int64_t extent) {
    if (const std::optional<Expr> around = around_of(index, extent))
      return go_around(localized(*affine_form(*around), begin), index, extent);
    const std::optional<Affine> form = affine_form(index);
    if (!form || form->terms.size() != index.dims().size()) return shifted(rewrite(index), -begin);
    return to_expr(localized(*form, begin), index.where());
  }

  Affine localized(const Affine& form, int64_t begin) const {
    Affine local;
    local.constant = form.constant - begin;
    for (const auto& [dim, coefficient] : form.terms) {
      const Loop& known = loops_.at(dim);
      local.terms[known.local] = coefficient;
      local.constant += coefficient * known.begin;
    }
    return local;
  }

  // `form % extent`, and only `form` where that is the same, as in a window that goes around.
  static Expr go_around(Affine form, const Expr& index, int64_t extent) {
    const std::optional<IndexRange> range = index_range(to_expr(form));
    const int64_t turns = range && extent > 0 ? floor_div(range->low, extent) : 0;
    form.constant -= turns * extent;
    const Expr inner = to_expr(form, index.where());
    if (range && range->high - turns * extent < extent) return inner;
    return make_apply(Fn::mod, {inner, as<Apply>(index)->args[1]}, index.where());
  }

  const NestRules& rules_;
  const Assignment& assignment_;
  const std::vector<Part>& operands_;
  std::map<Dim, Loop> loops_;
  std::unordered_map<const ExprNode*, Expr> done_;
};

}  // namespace

Dim LocalDims::local(const Dim& dim, const Axes& split) {
  if (split.empty()) return dim;
  const auto it = dims_.find({dim, split});
  if (it != dims_.end()) return it->second;
  const Dim made(dim.name() + "." + join(mesh_.names(split), "."), range(dim, split).size(),
                 dim.where());
  return dims_.emplace(std::make_pair(dim, split), made).first->second;
}

Dims LocalDims::local(const Dims& dims, const Sharding& sharding) {
  Dims result;
  for (size_t i = 0; i < dims.size(); ++i) result.push_back(local(dims[i], sharding.split[i]));
  return result;
}

Interval LocalDims::range(const Dim& dim, const Axes& split) const {
  return block(dim.extent(), split, mesh_, rank_);
}

Nest local_nest(const NestRules& rules, const Assignment& assignment,
                const std::vector<Part>& operands, LocalDims& dims,
                const std::optional<Turn>& turn) {
  const Nest& nest = rules.nest();
  Localizer localizer(rules, assignment, operands, dims, turn);
  Expr value = localizer.rewrite(nest.body);
  Dims reduced;
  for (const Dim& dim : nest.reduced) reduced.push_back(localizer.loop(dim));
  if (nest.op)
    value = make_reduce(static_cast<Reduction>(*nest.op), reduced, value, nest.out.where());
  Dims order;
  for (const Dim& dim : nest.out.dims()) order.push_back(localizer.loop(dim));
  const std::string& name = turn ? turn->name : nest.out.name();
  return nest_of(make_undivided(name, value, nest.out.where(), order));
}

Nest joined_turns(const std::string& name, const Tensor& so_far, const Tensor& more, ReduceOp op) {
  const SourceLocation& where = so_far.where();
  const Expr both =
      make_apply(function_of(op), {make_read(so_far, where), make_read(more, where)}, where);
  return nest_of(make_undivided(name, both, where, so_far.dims()));
}

Nest copy_nest(const Part& from, const CopySpec& spec) {
  const Dims& dims = from.local.dims();
  TESSERA_CHECK(dims.size() == spec.dims.size() && dims.size() == spec.begin.size());
  std::vector<Index> indices;
  for (size_t i = 0; i < dims.size(); ++i) {
    const Affine index{{{spec.dims[i], 1}}, spec.begin[i] - from.box.begin[i]};
    indices.push_back({to_expr(index, from.local.where()), false});
  }
  const SourceLocation& where = from.local.where();
  Expr value = make_read(from.local, std::move(indices), std::nullopt, where);
  if (spec.masked) {
    const Expr keep = make_constant(Scalar::of_bool(spec.keep), where);
    const Expr filler = make_constant(identity(spec.op, from.local.type()), where);
    value = make_apply(Fn::where, {keep, value, filler}, where);
  }
  return nest_of(make_definition(spec.name, value, where, spec.dims));
}

}  // namespace tessera
