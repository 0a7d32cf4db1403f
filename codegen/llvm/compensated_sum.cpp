#include "codegen/llvm/compensated_sum.h"

namespace tessera {
namespace {

// No fast-math flags for the rest of the scope.
class ExactScope {
 public:
  explicit ExactScope(llvm::IRBuilderBase& builder)
      : builder_(builder), before_(builder.getFastMathFlags()) {
    builder_.setFastMathFlags({});
  }
  ~ExactScope() { builder_.setFastMathFlags(before_); }
  ExactScope(const ExactScope&) = delete;
  ExactScope& operator=(const ExactScope&) = delete;

 private:
  llvm::IRBuilderBase& builder_;
  llvm::FastMathFlags before_;
};

}  // namespace

CompensatedSum emit_add(llvm::IRBuilderBase& b, const CompensatedSum& total, llvm::Value* term) {
  const ExactScope exact(b);
  term = b.CreateFAdd(term, total.rest);
  llvm::Value* sum = b.CreateFAdd(total.sum, term);
  llvm::Value* added = b.CreateFSub(sum, total.sum);
  llvm::Value* lost_of_sum = b.CreateFSub(total.sum, b.CreateFSub(sum, added));
  llvm::Value* lost_of_term = b.CreateFSub(term, added);
  llvm::Value* rest = b.CreateFAdd(lost_of_sum, lost_of_term);
  // What an infinite sum lost is no number.
  llvm::Value* zero = llvm::Constant::getNullValue(rest->getType());
  return {sum, b.CreateSelect(b.CreateFCmpORD(rest, zero), rest, zero)};
}

llvm::Value* emit_total(llvm::IRBuilderBase& b, const CompensatedSum& total) {
  const ExactScope exact(b);
  return b.CreateFAdd(total.sum, total.rest);
}

}  // namespace tessera
