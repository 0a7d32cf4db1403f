#include "ir/reading_mapped.h"

#include "ir/structure.h"

namespace tessera {

Expr reading_mapped(const Expr& formula, const std::map<Tensor, Tensor>& mapped) {
  const Expr value = transform(formula, [](const Expr& node) -> Expr {
    const Looped* looped = as<Looped>(node);
    return looped != nullptr ? looped->value : node;
  });
  std::map<Tensor, Tensor> replaced;
  for (const Tensor& read : tensors_read(value)) {
    const auto it = mapped.find(read);
    if (it != mapped.end() && !(it->second == read)) replaced.emplace(read, it->second);
  }
  return replace_tensors(value, replaced);
}

}  // namespace tessera
