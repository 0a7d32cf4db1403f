#include "ir/derived_limit.h"

#include "base/error.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kAnyProgram = 100'000;  // operations that all gradients may have
constexpr size_t kTimes = 30;            // and more for each one that is written

}  // namespace

DerivedLimit::DerivedLimit(const Program& program) : program_(program.name()), most_(kAnyProgram) {
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() == Role::definition) most_ += kTimes * subexpressions(tensor.value()).size();
}

void DerivedLimit::count(const Expr& value, const SourceLocation& where) {
  count_ += subexpressions(value).size();
  if (count_ <= most_) return;
  throw UserError(where, "the gradients of `" + program_ + "` grow beyond " +
                             std::to_string(most_) +
                             " operations; take fewer gradients of gradients, or of shorter "
                             "formulas");
}

}  // namespace tessera
