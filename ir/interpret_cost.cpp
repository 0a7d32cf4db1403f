#include "ir/interpret_cost.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ir/structure.h"

namespace tessera {
namespace {

double points(const Dims& dims, const Dims& fixed) {
  double count = 1;
  for (const Dim& dim : dims)
    if (!contains(fixed, dim)) count *= static_cast<double>(dim.extent());
  return count;
}

class Counter {
 public:
  explicit Counter(Dims fixed) : fixed_(std::move(fixed)) {}

  // Of the formula at one point.
  double at_point(const Expr& expr) {
    if (as<Reduce>(expr) != nullptr) return 1;
    const auto it = at_point_.find(&expr.node());
    if (it != at_point_.end()) return it->second;
    double count = 1;
    for (const Expr& child : children(expr)) count += at_point(child);
    at_point_.emplace(&expr.node(), count);
    return count;
  }

  // Of the reductions below, each once.
  double reductions(const Expr& expr) {
    if (!seen_.insert(&expr.node()).second) return 0;
    double count = 0;
    for (const Expr& child : children(expr)) count += reductions(child);
    if (const Reduce* reduce = as<Reduce>(expr))
      count += points(expr.dims(), fixed_) * points(reduce->dims, {}) * at_point(reduce->body);
    return count;
  }

 private:
  const Dims fixed_;
  std::unordered_map<const ExprNode*, double> at_point_;
  std::unordered_set<const ExprNode*> seen_;
};

}  // namespace

double operations_at_point(const Expr& value) {
  Counter counter({});
  const Reduce* reduce = as<Reduce>(value);
  return reduce == nullptr ? counter.at_point(value)
                           : points(reduce->dims, {}) * counter.at_point(reduce->body);
}

double operations_to_interpret(const Expr& value, const Dims& order, const Dims& fixed) {
  Counter counter(fixed);
  return counter.reductions(value) + points(order, fixed) * counter.at_point(value);
}

}  // namespace tessera
