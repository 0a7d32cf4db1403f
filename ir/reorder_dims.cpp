#include "ir/reorder_dims.h"

#include "ir/prune.h"
#include "ir/rebuilt_program.h"

namespace tessera {
namespace {

// The order of a tensor's dims; its own where none is given.
Dims order_of(const Tensor& tensor, const std::map<Tensor, Dims>& orders) {
  const auto it = orders.find(tensor);
  return it == orders.end() ? tensor.dims() : it->second;
}

}  // namespace

Program reorder_dims(const Program& source, const std::map<Tensor, Dims>& orders) {
  RebuiltProgram rebuilt(source);
  for (const Tensor& tensor : in_order(source)) {
    if (tensor.role() == Role::carried) {
      const Dims order = order_of(source.update_of(tensor)->value, orders);
      rebuilt.take(tensor, rebuilt.program().carry(tensor.name(), tensor.over(),
                                                   rebuilt.reading(tensor.value()),
                                                   tensor.descending(), order, tensor.where()));
    } else if (tensor.role() == Role::definition) {
      Expr value = rebuilt.reading(tensor.value());
      if (tensor.checkpoint()) value = make_checkpoint(value, value.where());
      rebuilt.take(tensor, rebuilt.program().define(tensor.name(), value, tensor.where(),
                                                    order_of(tensor, orders)));
    } else {
      rebuilt.program().import(tensor);
    }
  }
  return rebuilt.finish();
}

}  // namespace tessera
