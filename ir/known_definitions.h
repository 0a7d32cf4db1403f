#pragma once

#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "ir/canonical.h"

namespace tessera {

// Definitions by what they compute, so that what is defined already is not defined again: also when
// it is written in another order (see canonical.h).
class KnownDefinitions {
 public:
  // What stands for all ways to write `value`, by which the others take it.
  Expr form_of(const Expr& value) { return canonical_(value); }

  // The definition of this form whose dims are `dims`, in their order.
  std::optional<Tensor> find(const Expr& form, const Dims& dims) const;
  void add(const Expr& form, const Tensor& tensor);
  // From now on it is not found.
  void forget(const Tensor& tensor) { forgotten_.insert(tensor); }

 private:
  CanonicalForms canonical_;
  std::unordered_map<const ExprNode*, std::vector<Tensor>> by_form_;
  std::set<Tensor> forgotten_;
};

}  // namespace tessera
