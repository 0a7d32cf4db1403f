#include "ir/order_sum.h"

#include <algorithm>
#include <map>

#include "ir/contraction_order.h"
#include "ir/guards.h"
#include "ir/product.h"
#include "ir/simplify.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr int kMostRounds = 4;
constexpr size_t kMostKnown = 6;  // operands of which every partial sum is looked for

bool is_zero(const Expr& value) {
  const Constant* constant = as<Constant>(value);
  return constant != nullptr && constant->value.type != DType::b8 && constant->value.number() == 0;
}

// A sum taken apart: guards that depend on no summed dim, and the factors of what they guard.
class OrderedSum {
 public:
  OrderedSum(const Expr& sum, const Reduce& reduce, const SumSurroundings& surroundings)
      : sum_(sum), reduce_(reduce), surroundings_(surroundings), guarded_(reduce.body) {}

  // Is it a sum of a product that could be taken apart? To be asked first.
  bool is_product() {
    loops_ = reduce_.body.dims();
    const DType type = reduce_.body.type();
    const bool number = is_float(type) ? !is_half(type) : is_integer(type);
    if (!number || loops_.size() > kMostLoops || points_of(loops_) == 0) return false;
    take_guards();
    take_factors();
    return groups_.size() > 1 && same_set(all_dims(), loops_);
  }

  // Could a guard over these dims go into one of the factors?
  bool has_factor_over(const Dims& dims) const {
    return std::any_of(groups_.begin(), groups_.end(), [&](const std::vector<Factor>& group) {
      return subtract(dims, group[0].value.dims()).empty();
    });
  }

  // As one nest.
  double price_as_it_stands() const {
    const SummedProduct product = summed_product();
    if (stands_as_product()) return find_order(product, true).price;
    const Work work = work_of(reduce_.body);
    return plain_price(product, work.flops, work.reads);
  }

  // Nothing where the sum is best as it is.
  std::optional<Expr> run() {
    SummedProduct product = summed_product();
    find_known(product);
    order_ = find_order(product);
    if (order_.price >= surroundings_.gain() * price_as_it_stands()) return std::nullopt;
    const bool stores = std::any_of(order_.nodes.begin(), order_.nodes.end(),
                                    [](const ProductNode& node) { return node.stored; });
    if (stands_as_product() && !stores) return std::nullopt;
    return rewritten();
  }

 private:
  void take_guards() {
    while (const Apply* guard = as<Apply>(guarded_)) {
      if (guard->fn != Fn::where || !is_zero(guard->args[2])) break;
      if (!intersect(guard->args[0].dims(), reduce_.dims).empty()) break;
      if (reads_may_leave(guard->args[1])) break;
      guards_.push_back(guard->args[0]);
      guarded_ = guard->args[1];
    }
  }

  // Factors over the same dims make one group; numbers without dims multiply the whole.
  void take_factors() {
    Products products;
    std::map<Dims, std::vector<Factor>> by_dims;
    for (const Factor& factor : products.factors_of(guarded_)) {
      if (factor.value.dims().empty()) {
        scalars_.push_back(factor);
      } else {
        by_dims[factor.value.dims()].push_back(factor);
      }
    }
    for (auto& [dims, factors] : by_dims) groups_.push_back(std::move(factors));
    factored_ = holds_sum(guarded_);
  }

  // Was some sum in the product seen as a product itself?
  static bool holds_sum(const Expr& value) {
    const Apply* apply = as<Apply>(value);
    if (apply == nullptr) return false;
    if (apply->fn == Fn::mul) return holds_sum(apply->args[0]) || holds_sum(apply->args[1]);
    if (apply->fn == Fn::neg || apply->fn == Fn::div || apply->fn == Fn::stop_gradient)
      return holds_sum(apply->args[0]);
    if (apply->fn != Fn::add && apply->fn != Fn::sub) return false;
    return Products().factors_of(value).size() > 1;
  }

  bool stands_as_product() const { return guards_.empty() && !factored_; }

  Dims all_dims() const {
    Dims dims;
    for (const std::vector<Factor>& group : groups_)
      for (const Factor& factor : group) dims = unite(dims, factor.value.dims());
    return dims;
  }

  LoopSet set_of(const Dims& dims) const {
    LoopSet set = 0;
    for (size_t i = 0; i < loops_.size(); ++i)
      if (contains(dims, loops_[i])) set |= LoopSet{1} << i;
    return set;
  }

  SummedProduct summed_product() const {
    SummedProduct product;
    for (const Dim& loop : loops_) product.extents.push_back(static_cast<double>(loop.extent()));
    product.kept = set_of(sum_.dims());
    product.iterated = set_of(surroundings_.iterated);
    product.call = surroundings_.prices.call;
    product.element_bytes = static_cast<double>(size_of(sum_.type()));
    for (const std::vector<Factor>& group : groups_) {
      Operand operand;
      operand.loops = set_of(group[0].value.dims());
      operand.divides = group[0].divides;
      for (size_t i = 0; i < group.size(); ++i) {
        const Work work = work_of(group[i].value);
        operand.flops += work.flops + (i > 0 ? (group[i].divides ? 4 : 1) : 0);
        operand.reads += work.reads;
        operand.divides = operand.divides && group[i].divides;
      }
      product.operands.push_back(operand);
    }
    return product;
  }

  // Which partial sums the program has.
  void find_known(SummedProduct& product) const {
    double points = 1;
    for (const double extent : product.extents) points *= extent;
    if (!surroundings_.known || groups_.size() > kMostKnown || points < product.call) return;
    product.known.assign(size_t{1} << groups_.size(), false);
    for (size_t set = 1; set + 1 < product.known.size(); ++set) {
      std::vector<size_t> operands;
      for (size_t i = 0; i < groups_.size(); ++i)
        if (set >> i & 1) operands.push_back(i);
      const Dims ending = ending_with(operands);
      if (operands.size() == 1 && product.operands[operands[0]].flops == 0 && ending.empty())
        continue;
      std::vector<Factor> factors;
      for (const size_t i : operands)
        factors.insert(factors.end(), groups_[i].begin(), groups_[i].end());
      Dims dims;
      for (const Factor& factor : factors) dims = unite(dims, factor.value.dims());
      product.known[set] =
          surroundings_.known(summed_over(intersect(ending, dims), std::move(factors)));
    }
  }

  // --- Writing down what was found --------------------------------------------------------------

  std::vector<size_t> operands_below(int at) const {
    const ProductNode& node = order_.nodes[static_cast<size_t>(at)];
    if (node.operand >= 0) return {static_cast<size_t>(node.operand)};
    std::vector<size_t> found = operands_below(node.left);
    const std::vector<size_t> more = operands_below(node.right);
    found.insert(found.end(), more.begin(), more.end());
    return found;
  }

  Dims ending_at(int at) const { return ending_with(operands_below(at)); }

  // Summed dims that no other operand has.
  Dims ending_with(const std::vector<size_t>& below) const {
    Dims ending = reduce_.dims;
    for (size_t i = 0; i < groups_.size(); ++i)
      if (std::find(below.begin(), below.end(), i) == below.end())
        ending = subtract(ending, groups_[i][0].value.dims());
    return ending;
  }

  // The factors that the node multiplies; the read of one definition where it is stored.
  std::vector<Factor> factors_at(int at) const {
    const ProductNode& node = order_.nodes[static_cast<size_t>(at)];
    std::vector<Factor> factors;
    if (node.operand >= 0) {
      factors = group_of(node);
    } else {
      factors = factors_at(node.left);
      const std::vector<Factor> more = factors_at(node.right);
      factors.insert(factors.end(), more.begin(), more.end());
    }
    return node.stored ? std::vector<Factor>{stored(factors, ending_at(at))} : factors;
  }

  // The factors of a leaf, and the numbers of the product where it is computed on its own anyway.
  std::vector<Factor> group_of(const ProductNode& node) const {
    std::vector<Factor> factors = groups_[static_cast<size_t>(node.operand)];
    if (node.operand == scaled_) factors.insert(factors.begin(), scalars_.begin(), scalars_.end());
    return factors;
  }

  Factor stored(std::vector<Factor> factors, const Dims& ending) const {
    const bool divides = std::all_of(factors.begin(), factors.end(),
                                     [](const Factor& factor) { return factor.divides; });
    Dims summed;
    for (const Factor& factor : factors)
      summed = unite(summed, intersect(ending, factor.value.dims()));
    const bool turned = divides && summed.empty();
    if (turned)
      for (Factor& factor : factors) factor.divides = false;
    return {read(summed_over(summed, factors)), turned};
  }

  Expr read(const Expr& value) const {
    return make_read(surroundings_.define(value), sum_.where());
  }

  Expr summed_over(const Dims& dims, std::vector<Factor> factors,
                   const std::vector<Factor>& scalars = {}) const {
    factors.insert(factors.end(), scalars.begin(), scalars.end());
    put_in_order(factors);
    const Expr product = product_of(factors, sum_.type(), sum_.where());
    return dims.empty() ? product : make_reduce(Reduction::sum, dims, product, sum_.where());
  }

  // The first leaf that is computed on its own and sums nothing, or -1.
  int leaf_to_scale() const {
    for (size_t i = 0; i < order_.nodes.size(); ++i) {
      const ProductNode& node = order_.nodes[i];
      if (node.operand < 0 || !node.stored || node.known) continue;
      const std::vector<Factor>& factors = groups_[static_cast<size_t>(node.operand)];
      const Dims summed = intersect(ending_at(static_cast<int>(i)), factors[0].value.dims());
      if (summed.empty() && !factors[0].divides) return node.operand;
    }
    return -1;
  }

  Expr rewritten() {
    scaled_ = leaf_to_scale();
    std::vector<Factor> factors = factors_at(static_cast<int>(order_.nodes.size()) - 1);
    Dims dims;
    for (const Factor& factor : factors) dims = unite(dims, factor.value.dims());
    Expr value = summed_over(intersect(reduce_.dims, dims), factors,
                             scaled_ < 0 ? scalars_ : std::vector<Factor>());
    if (guards_.empty()) return value;
    if (as<Reduce>(value) != nullptr) value = read(value);
    const Expr zero = make_constant(Scalar::of_number(value.type(), 0), sum_.where());
    for (size_t i = guards_.size(); i-- > 0;)
      value = make_apply(Fn::where, {guards_[i], value, zero}, sum_.where());
    return value;
  }

  const Expr& sum_;
  const Reduce& reduce_;
  const SumSurroundings& surroundings_;
  Expr guarded_;  // by the guards
  std::vector<Expr> guards_;
  std::vector<std::vector<Factor>> groups_;
  std::vector<Factor> scalars_;
  bool factored_ = false;
  Dims loops_;
  ContractionOrder order_;
  int scaled_ = -1;  // the operand that the scalars multiply
};

// As one nest that is a product, guarded or not; nothing when it is none.
std::optional<double> product_price(const Expr& value, const Reduce& reduce,
                                    const SumSurroundings& surroundings) {
  if (reduce.op != Reduction::sum) return std::nullopt;
  OrderedSum sum(value, reduce, surroundings);
  if (sum.is_product()) return sum.price_as_it_stands();
  Reduce inner = reduce;
  const std::vector<Expr> conditions = take_outer_guards(inner.body);
  OrderedSum guarded(value, inner, surroundings);
  if (conditions.empty() || !guarded.is_product()) return std::nullopt;
  double price = guarded.price_as_it_stands();
  Dims dims;
  for (const Expr& condition : conditions) {
    const Work work = work_of(condition);
    dims = unite(dims, condition.dims());
    price += points_of(condition.dims()) * (work.flops + work.reads);
  }
  if (!guarded.has_factor_over(dims)) return std::nullopt;
  return price;
}

}  // namespace

Expr order_sum(const Expr& value, const SumSurroundings& surroundings) {
  Expr result = value;
  for (int round = 0; round < kMostRounds; ++round) {
    const Reduce* reduce = as<Reduce>(result);
    if (reduce == nullptr || reduce->op != Reduction::sum) break;
    OrderedSum sum(result, *reduce, surroundings);
    const std::optional<Expr> next = sum.is_product() ? sum.run() : std::nullopt;
    if (!next) break;
    result = simplify(*next);
  }
  return result;
}

double nest_price(const Expr& value, const SumSurroundings& surroundings) {
  const double bytes = points_of(value.dims()) * static_cast<double>(size_of(value.type()));
  const Reduce* reduce = as<Reduce>(value);
  if (reduce != nullptr)
    if (const std::optional<double> price = product_price(value, *reduce, surroundings))
      return *price + storing_price(bytes);
  const Expr& body = reduce != nullptr ? reduce->body : value;
  const Work work = work_of(body);
  return points_of(body.dims()) * (work.flops + work.reads + 1) + storing_price(bytes) +
         surroundings.prices.call;
}

double ordered_price(const Expr& value, const SumSurroundings& surroundings) {
  double total = 0;
  SumSurroundings trial = surroundings;
  trial.define = [&](const Expr& part) {
    total += ordered_price(part, surroundings);
    return Tensor(part);
  };
  const Expr root = order_sum(value, trial);
  return total + nest_price(root, surroundings);
}

}  // namespace tessera
