#include "ir/reorder_dims.h"

#include <utility>
#include <vector>

#include "ir/prune.h"
#include "ir/structure.h"

namespace tessera {
namespace {

class Rebuilder {
 public:
  Rebuilder(const Program& source, const std::map<Tensor, Dims>& orders)
      : source_(source), orders_(orders), result_(source.name(), source.where()) {}

  Program run() {
    for (const Dim& dim : source_.dims()) result_.declare(dim);
    for (const Tensor& tensor : in_order(source_)) take(tensor);
    for (const Update& carry : source_.carries())
      result_.add_carry({made(carry.target), made(carry.value)});
    for (const Output& output : source_.outputs())
      result_.add_output({output.name, made(output.value), output.order});
    for (const Update& update : source_.updates())
      result_.add_update({update.target, made(update.value)});
    for (const Pin& pin : source_.pins()) result_.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return std::move(result_);
  }

 private:
  Tensor made(const Tensor& tensor) const {
    const auto it = made_.find(tensor);
    return it == made_.end() ? tensor : it->second;
  }

  Dims order_of(const Tensor& tensor) const {
    const auto it = orders_.find(tensor);
    return it == orders_.end() ? tensor.dims() : it->second;
  }

  Expr rewritten(const Expr& value) const {
    return transform(value, [this](const Expr& node) -> Expr {
      const Read* read = as<Read>(node);
      if (read == nullptr || made_.count(read->tensor) == 0) return node;
      const Tensor& tensor = made_.at(read->tensor);
      std::vector<Index> indices;
      for (const Dim& dim : tensor.dims())
        indices.push_back(read->indices[static_cast<size_t>(position(read->tensor.dims(), dim))]);
      return make_read(tensor, std::move(indices), read->pad, node.where());
    });
  }

  void take(const Tensor& tensor) {
    if (tensor.role() == Role::carried) {
      made_.emplace(tensor,
                    result_.carry(tensor.name(), tensor.over(), rewritten(tensor.value()),
                                  tensor.descending(), order_of(source_.update_of(tensor)->value),
                                  tensor.where()));
    } else if (tensor.role() == Role::definition) {
      Expr value = rewritten(tensor.value());
      if (tensor.checkpoint()) value = make_checkpoint(value, value.where());
      const auto order = orders_.find(tensor);
      made_.emplace(tensor, result_.define(tensor.name(), value, tensor.where(),
                                           order == orders_.end() ? tensor.dims() : order->second));
    } else {
      result_.import(tensor);
    }
  }

  const Program& source_;
  const std::map<Tensor, Dims>& orders_;
  Program result_;
  std::map<Tensor, Tensor> made_;
};

}  // namespace

Program reorder_dims(const Program& source, const std::map<Tensor, Dims>& orders) {
  return Rebuilder(source, orders).run();
}

}  // namespace tessera
