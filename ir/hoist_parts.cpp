#include "ir/hoist_parts.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/contraction_order.h"
#include "ir/product.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// In a map, what costs less follows from the loops: kernels compute it where it changes.
constexpr double kDearInMaps = 8;  // operations

// The parts of a nest's body that could be computed before it.
class Hoister {
 public:
  Hoister(const Expr& map, const SumSurroundings& surroundings)
      : body_(map),
        evaluated_(evaluated_nodes(map)),
        surroundings_(surroundings),
        loops_(map.dims()),
        least_(kDearInMaps) {
    if (is_float(body_.type())) visit(body_, loops_);
  }

  Hoister(const Reduce& reduce, const SumSurroundings& surroundings)
      : body_(reduce.body),
        evaluated_(evaluated_nodes(body_)),
        surroundings_(surroundings),
        loops_(body_.dims()) {
    if (reduce.op == Reduction::sum) {
      Products products;
      for (const Factor& factor : products.factors_of(body_))
        if (factor.value.dims() == loops_ && is_float(body_.type())) visit(factor.value, loops_);
    } else if (is_float(body_.type())) {
      visit(body_, loops_);
    }
  }

  // Nothing where the body is best as it is.
  std::optional<Expr> run() const {
    if (parts_.empty()) return std::nullopt;
    const double points = points_of(loops_);
    const Work work = work_of(body_);
    const double before = points * (work.flops + work.reads + 1);
    double after = before;
    for (const Expr& part : parts_) {
      const Work saved = work_of(part);
      after += price_beside(part) - std::max(points * saved.flops, saved_by_iterations(part));
    }
    if (after >= surroundings_.gain() * before) return std::nullopt;
    std::unordered_map<const ExprNode*, Expr> read;
    for (const Expr& part : parts_)
      read.emplace(&part.node(), make_read(surroundings_.define(part), part.where()));
    return replaced(body_, read);
  }

 private:
  // Parts are the largest ones over fewer points of which the computing costs more than the
  // storing.
  // What does not pay over some dims does not pay below either, over the same.
  void visit(const Expr& expr, const Dims& refused) {
    if (!seen_.emplace(&expr.node(), true).second) return;
    const Apply* apply = as<Apply>(expr);
    if (apply == nullptr) return;
    if (expr.dims() != refused && is_part(expr)) {
      parts_.push_back(expr);
      return;
    }
    for (const Expr& arg : apply->args)  // conditions and positions tell later passes something
      if (is_float(arg.type())) visit(arg, expr.dims());
  }

  bool is_part(const Expr& expr) const {
    if (expr.dims().empty() || points_of(expr.dims()) >= points_of(loops_)) return false;
    if (evaluated_.count(&expr.node()) == 0 && reads_may_leave(expr)) return false;
    const double flops = work_of(expr).flops;
    const double saved = flops < least_ ? 0 : points_of(loops_) * flops;
    return std::max(saved, saved_by_iterations(expr)) > 2 * price_beside(expr);
  }

  // Computing it in every iteration, though it is the same in all of them, against reading it.
  double saved_by_iterations(const Expr& expr) const {
    const Dims repeated = intersect(subtract(loops_, expr.dims()), surroundings_.iterated);
    if (repeated.empty()) return 0;
    const double points = points_of(expr.dims());
    double elements = 0;
    for (const Expr& node : subexpressions(expr))
      if (as<Read>(node) != nullptr) elements += points_of(node.dims());
    return points_of(repeated) * (points * work_of(expr).flops + elements - points);
  }

  // Of computing it once, storing and reading it.
  double price_beside(const Expr& part) const {
    const double points = points_of(part.dims());
    const Work work = work_of(part);
    double calls = 1;
    for (const Dim& dim : intersect(part.dims(), surroundings_.iterated))
      calls *= static_cast<double>(dim.extent());
    return points * (work.flops + work.reads) + calls * surroundings_.prices.call +
           storing_price(points * static_cast<double>(size_of(part.type())));
  }

  static Expr replaced(const Expr& body, std::unordered_map<const ExprNode*, Expr>& done) {
    if (const auto it = done.find(&body.node()); it != done.end()) return it->second;
    if (as<Apply>(body) == nullptr) return body;
    std::vector<Expr> after;
    bool changed = false;
    for (const Expr& child : children(body)) {
      after.push_back(replaced(child, done));
      changed = changed || !after.back().is(child);
    }
    return done.emplace(&body.node(), changed ? with_children(body, after) : body).first->second;
  }

  const Expr& body_;
  const std::unordered_set<const ExprNode*> evaluated_;  // in every case
  const SumSurroundings& surroundings_;
  Dims loops_;
  double least_ = 0;  // operations of a part
  std::vector<Expr> parts_;
  std::unordered_map<const ExprNode*, bool> seen_;
};

// Windows, gathers and scans: what a guard over summed dims leaves is known to later passes.
bool is_guarded(const Reduce& reduce) {
  const Apply* apply = as<Apply>(reduce.body);
  return apply != nullptr && apply->fn == Fn::where &&
         !intersect(apply->args[0].dims(), reduce.dims).empty();
}

}  // namespace

Expr hoist_parts(const Expr& value, const SumSurroundings& surroundings) {
  const Reduce* reduce = as<Reduce>(value);
  if (points_of(reduce == nullptr ? value.dims() : reduce->body.dims()) == 0) return value;
  if (reduce == nullptr) return Hoister(value, surroundings).run().value_or(value);
  if (is_guarded(*reduce)) return value;
  const std::optional<Expr> body = Hoister(*reduce, surroundings).run();
  return body ? make_reduce(reduce->op, reduce->dims, *body, value.where()) : value;
}

}  // namespace tessera
