#include "ir/carried_dims.h"

#include "ir/structure.h"

namespace tessera {

Dims CarriedDims::of(const Expr& formula) {
  for (; seen_ < program_.tensors().size(); ++seen_) {
    const Tensor& tensor = program_.tensors()[seen_];
    Dims dims;
    if (tensor.role() == Role::carried) dims = {tensor.over()};
    if (tensor.role() == Role::definition) dims = known(tensor.value());
    if (!dims.empty()) carried_.emplace(tensor, dims);
  }
  return known(formula);
}

Dims CarriedDims::known(const Expr& formula) const {
  Dims dims;
  for (const Tensor& read : tensors_read(formula))
    if (const auto it = carried_.find(read); it != carried_.end()) dims = unite(dims, it->second);
  return intersect(dims, formula.dims());
}

}  // namespace tessera
