#include "ir/known_definitions.h"

namespace tessera {

std::optional<Tensor> KnownDefinitions::find(const Expr& form, const Dims& dims) const {
  const auto it = by_form_.find(&form.node());
  if (it == by_form_.end()) return std::nullopt;
  for (const Tensor& tensor : it->second)
    if (tensor.dims() == dims && forgotten_.count(tensor) == 0) return tensor;
  return std::nullopt;
}

void KnownDefinitions::add(const Expr& form, const Tensor& tensor) {
  by_form_[&form.node()].push_back(tensor);
}

}  // namespace tessera
