#include "ir/fans.h"

#include <set>
#include <unordered_set>

#include "ir/sequence.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// The dims that `index` runs through by itself, not through data.
Dims direct_dims(const Expr& index) {
  if (const IndexOf* plain = as<IndexOf>(index)) return {plain->dim};
  Dims dims;
  if (as<Apply>(index) != nullptr)
    for (const Expr& child : children(index)) dims = unite(dims, direct_dims(child));
  return dims;
}

// What a tensor has of the parameter that is looked at.
struct Trace {
  std::map<Dim, Dims> dims;  // of the tensor, to those of the parameter that run along them
  Dims met;                  // of the tensor: where something else has come in
};

// Follows one parameter through definitions until a sum tells its fans.
class FanSearch {
 public:
  FanSearch(const std::vector<Tensor>& computed,
            const std::map<Tensor, std::vector<size_t>>& readers, const Tensor& parameter)
      : readers_(readers) {
    Trace own;
    for (const Dim& dim : parameter.dims()) own.dims[dim] = {dim};
    trace(parameter, std::move(own));
    size_t done = 0;  // places before it
    while (!open_.empty()) {
      const size_t place = open_.extract(open_.begin()).value();
      if (place < done) continue;
      done = place + 1;
      if (!follow(computed[place])) return;
    }
  }

  const Dims& summed() const { return summed_; }

 private:
  void trace(const Tensor& tensor, Trace has) {
    traces_.emplace(tensor, std::move(has));
    const auto readers = readers_.find(tensor);
    if (readers != readers_.end()) open_.insert(readers->second.begin(), readers->second.end());
  }

  // False once the search is over.
  bool follow(const Tensor& tensor) {
    const std::vector<Expr> nodes = subexpressions(tensor.value());
    for (const Expr& node : nodes) {
      const Reduce* reduce = as<Reduce>(node);
      if (reduce == nullptr || reduce->op != Reduction::sum) continue;
      if (intersect(loops_of(*reduce), met_in(reduce->body)).empty()) continue;
      take(*reduce);
      take_around(nodes, node);
      return false;
    }
    Trace passed;
    passed.met = intersect(met_in(tensor.value()), tensor.dims());
    for (const Expr& node : nodes)
      each_slot(node, [&](const Dims& own, const Dims& loops) {
        for (const Dim& loop : intersect(loops, sorted(tensor.dims())))
          passed.dims[loop] = unite(passed.dims[loop], own);
      });
    if (!passed.dims.empty()) trace(tensor, std::move(passed));
    return true;
  }

  const Trace* trace_of(const Expr& node) const {
    const Read* read = as<Read>(node);
    const auto it = read != nullptr ? traces_.find(read->tensor) : traces_.end();
    return it != traces_.end() ? &it->second : nullptr;
  }

  // For each index of a read of the parameter, or of what stands for it: the parameter's dims and
  // the loops that run through them.
  template <typename Visit>
  void each_slot(const Expr& node, const Visit& visit) const {
    const Trace* trace = trace_of(node);
    if (trace == nullptr) return;
    const Read& read = *as<Read>(node);
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const auto own = trace->dims.find(read.tensor.dims()[i]);
      if (own != trace->dims.end()) visit(own->second, direct_dims(read.indices[i].value));
    }
  }

  // The dims that the sum reduces and that run through the parameter.
  Dims loops_of(const Reduce& sum) const {
    Dims found;
    for (const Expr& node : subexpressions(sum.body))
      each_slot(node, [&](const Dims&, const Dims& loops) {
        found = unite(found, intersect(loops, sum.dims));
      });
    return found;
  }

  // The dims of what `value` reads beside the parameter: other tensors and indices.
  Dims met_in(const Expr& value) const {
    Dims found;
    std::unordered_set<const ExprNode*> seen;
    std::vector<Expr> open = {value};
    while (!open.empty()) {
      const Expr node = open.back();
      open.pop_back();
      if (!seen.insert(&node.node()).second) continue;
      if (const Trace* trace = trace_of(node)) {
        const Read& read = *as<Read>(node);
        for (const Dim& dim : trace->met) found = unite(found, direct_dims(at_dim(read, dim)));
      } else if (as<Read>(node) != nullptr || as<IndexOf>(node) != nullptr) {
        found = unite(found, node.dims());
      } else {
        for (const Expr& child : children(node)) open.push_back(child);
      }
    }
    return found;
  }

  static const Expr& at_dim(const Read& read, const Dim& dim) {
    return read.indices[static_cast<size_t>(position(read.tensor.dims(), dim))].value;
  }

  void take(const Reduce& sum) {
    for (const Expr& node : subexpressions(sum.body))
      each_slot(node, [&](const Dims& own, const Dims& loops) {
        if (!intersect(loops, sum.dims).empty()) summed_ = unite(summed_, own);
      });
  }

  // Sums written directly around `inner`, as in sum[i](sum[j](x * w)), sum the same products.
  void take_around(const std::vector<Expr>& nodes, Expr inner) {
    for (const Expr& node : nodes) {
      const Reduce* outer = as<Reduce>(node);
      if (outer == nullptr || outer->op != Reduction::sum || !outer->body.is(inner)) continue;
      take(*outer);
      inner = node;
    }
  }

  const std::map<Tensor, std::vector<size_t>>& readers_;
  std::map<Tensor, Trace> traces_;
  std::set<size_t> open_;  // places of what reads them and was not looked at
  Dims summed_;
};

}  // namespace

FanFinder::FanFinder(const Program& program) : computed_(computed_tensors(program)) {
  for (size_t place = 0; place < computed_.size(); ++place)
    for (const Tensor& tensor : tensors_read(computed_[place].value()))
      readers_[tensor].push_back(place);
}

Fans FanFinder::of(const Tensor& parameter) const {
  const Dims summed = FanSearch(computed_, readers_, parameter).summed();
  Fans fans;
  for (const Dim& dim : parameter.dims())
    (contains(summed, dim) ? fans.in : fans.out) *= static_cast<double>(dim.extent());
  return fans;
}

Initializer FanFinder::settled(const Tensor& parameter) const {
  const Initializer& first = parameter.initializer();
  if (!derives_fans(first)) return first;
  const Fans fans = of(parameter);
  return first.kind == Initializer::Kind::glorot ? glorot(fans.in, fans.out) : he(fans.in);
}

}  // namespace tessera
