#include "ir/rank_dims.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/product.h"
#include "ir/prune.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostDims = 1000;
constexpr double kOutputShare = 0.5;  // of an element of what is given, for one that is fetched

// Of each two dims, in how many more elements the first one lies outside the second.
class GivenOrders {
 public:
  explicit GivenOrders(const Program& program) : dims_(program.dims()) {
    outside_.assign(dims_.size() * dims_.size(), 0);
    given_.assign(dims_.size(), false);
    for (const Tensor& tensor : program.tensors())
      if (tensor.role() != Role::definition && tensor.role() != Role::carried)
        add(tensor.dims(), 1);
    for (const Output& output : program.outputs()) add(output.order, kOutputShare);
  }

  // Each time the first dim that the fewest elements want inside one of the rest; at the end those
  // that nothing given has.
  Dims ranked() const {
    std::vector<size_t> rest, others;
    for (size_t i = 0; i < dims_.size(); ++i) (given_[i] ? rest : others).push_back(i);
    Dims result;
    while (!rest.empty()) {
      size_t next = 0;
      double least = wanted_inside(rest[0], rest);
      for (size_t i = 1; i < rest.size() && least > 0; ++i) {
        const double wanted = wanted_inside(rest[i], rest);
        if (wanted < least) least = wanted, next = i;
      }
      result.push_back(dims_[rest[next]]);
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(next));
    }
    for (const size_t other : others) result.push_back(dims_[other]);
    return result;
  }

 private:
  void add(const Dims& order, double share) {
    const double elements = share * points_of(order);
    std::vector<size_t> at;
    for (const Dim& dim : order) at.push_back(static_cast<size_t>(position(dims_, dim)));
    for (const size_t dim : at) given_[dim] = true;
    for (size_t i = 0; i < at.size(); ++i)
      for (size_t j = i + 1; j < at.size(); ++j) {
        outside_[at[i] * dims_.size() + at[j]] += elements;
        outside_[at[j] * dims_.size() + at[i]] -= elements;
      }
  }

  double wanted_inside(size_t dim, const std::vector<size_t>& rest) const {
    double most = 0;
    for (const size_t other : rest) most = std::max(most, outside_[other * dims_.size() + dim]);
    return most;
  }

  const Dims dims_;
  std::vector<bool> given_;
  std::vector<double> outside_;
};

class Rebuilder {
 public:
  Rebuilder(const Program& source, const Dims& ranked)
      : source_(source), result_(source.name(), source.where()) {
    for (const Dim& dim : ranked) dims_.emplace(dim, Dim(dim.name(), dim.extent(), dim.where()));
    for (const Update& update : source.updates()) targets_.insert(update.value);
  }

  Program run() {
    for (const auto& [from, to] : dims_) result_.declare(to);
    for (const Tensor& tensor : in_order(source_)) take(tensor);
    for (const Update& carry : source_.carries())
      result_.add_carry({made_.at(carry.target), made_.at(carry.value)});
    for (const Output& output : source_.outputs())
      result_.add_output({output.name, made_.at(output.value), dims_of(output.order)});
    for (const Update& update : source_.updates())
      result_.add_update({made_.at(update.target), made_.at(update.value)});
    for (const Pin& pin : source_.pins()) result_.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return std::move(result_);
  }

 private:
  Dims dims_of(const Dims& dims) const {
    Dims result;
    for (const Dim& dim : dims) result.push_back(dims_.at(dim));
    return result;
  }

  Dims order_of(const Tensor& tensor) const {
    const Dims order = dims_of(tensor.dims());
    const bool stated = tensor.dims() != sorted(tensor.dims()) || targets_.count(tensor) != 0;
    return stated ? order : sorted(order);
  }

  void take(const Tensor& tensor) {
    if (tensor.role() == Role::carried) {
      made_.emplace(tensor,
                    result_.carry(tensor.name(), dims_.at(tensor.over()), rewritten(tensor.value()),
                                  tensor.descending(), order_of(tensor), tensor.where()));
    } else if (tensor.role() == Role::definition) {
      Expr value = rewritten(tensor.value());
      if (tensor.checkpoint()) value = make_checkpoint(value, value.where());
      made_.emplace(tensor, result_.define(tensor.name(), value, tensor.where(), order_of(tensor)));
    } else {
      const Tensor same = make_tensor(tensor.name(), dims_of(tensor.dims()), tensor.type(),
                                      tensor.role(), tensor.initializer(), tensor.where());
      result_.import(same);
      made_.emplace(tensor, same);
    }
  }

  Expr rewritten(const Expr& expr) {
    if (const auto it = done_.find(&expr.node()); it != done_.end()) return it->second;
    const Expr result = rewritten_node(expr);
    done_.emplace(&expr.node(), result);
    return result;
  }

  Expr rewritten_node(const Expr& expr) {
    if (as<Constant>(expr) != nullptr) return expr;
    if (const IndexOf* index = as<IndexOf>(expr))
      return make_index(dims_.at(index->dim), expr.where());
    if (const Looped* looped = as<Looped>(expr)) return rewritten(looped->value);
    if (const Gradient* gradient = as<Gradient>(expr)) {
      const Tensor loss = made_.at(gradient->loss);
      return make_gradient(loss, made_.at(gradient->wrt), loss.dims(), expr.where());
    }
    if (const Reduce* reduce = as<Reduce>(expr))
      return make_reduce(reduce->op, dims_of(reduce->dims), rewritten(reduce->body), expr.where());
    if (const Read* read = as<Read>(expr)) return rewritten_read(*read, expr.where());
    std::vector<Expr> args;
    for (const Expr& arg : as<Apply>(expr)->args) args.push_back(rewritten(arg));
    return with_children(expr, args);
  }

  Expr rewritten_read(const Read& read, const SourceLocation& where) {
    const Tensor& tensor = made_.at(read.tensor);
    std::map<Dim, Index> by_dim;
    for (size_t i = 0; i < read.indices.size(); ++i)
      by_dim.emplace(dims_.at(read.tensor.dims()[i]),
                     Index{rewritten(read.indices[i].value), read.indices[i].padded});
    std::vector<Index> indices;
    for (const Dim& dim : tensor.dims()) indices.push_back(by_dim.at(dim));
    return make_read(tensor, std::move(indices), read.pad, where);
  }

  const Program& source_;
  Program result_;
  std::map<Dim, Dim> dims_;
  std::set<Tensor> targets_;  // what updates leave, which lies as their targets
  std::map<Tensor, Tensor> made_;
  std::unordered_map<const ExprNode*, Expr> done_;
};

}  // namespace

Program rank_dims(const Program& program) {
  const Dims made = program.dims();
  if (made.size() > kMostDims) return program;
  const Dims order = GivenOrders(program).ranked();
  return order == made ? program : Rebuilder(program, order).run();
}

}  // namespace tessera
