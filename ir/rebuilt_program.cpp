#include "ir/rebuilt_program.h"

#include <utility>
#include <vector>

#include "ir/structure.h"

namespace tessera {

RebuiltProgram::RebuiltProgram(const Program& source)
    : source_(source), result_(source.name(), source.where()) {
  for (const Dim& dim : source.dims()) result_.declare(dim);
}

Tensor RebuiltProgram::made(const Tensor& tensor) const {
  const auto it = made_.find(tensor);
  return it == made_.end() ? tensor : it->second;
}

Expr RebuiltProgram::reading(const Expr& value) const {
  return transform(value, [&](const Expr& node) -> Expr {
    if (const Looped* looped = as<Looped>(node)) return looped->value;
    if (const Gradient* gradient = as<Gradient>(node)) {
      const Tensor loss = made(gradient->loss);
      return make_gradient(loss, made(gradient->wrt), loss.dims(), node.where());
    }
    const Read* read = as<Read>(node);
    if (read == nullptr || made_.count(read->tensor) == 0) return node;
    const Tensor& tensor = made_.at(read->tensor);
    std::vector<Index> indices;
    for (const Dim& dim : tensor.dims())
      indices.push_back(read->indices[static_cast<size_t>(position(read->tensor.dims(), dim))]);
    return make_read(tensor, std::move(indices), read->pad, node.where());
  });
}

Program RebuiltProgram::finish() {
  for (const Update& carry : source_.carries())
    result_.add_carry({made(carry.target), made(carry.value)});
  for (const Output& output : source_.outputs())
    result_.add_output({output.name, made(output.value), output.order});
  for (const Update& update : source_.updates())
    result_.add_update({update.target, made(update.value)});
  for (const Pin& pin : source_.pins()) result_.pin(pin.tensor, pin.dim, pin.axis, pin.where);
  return std::move(result_);
}

}  // namespace tessera
