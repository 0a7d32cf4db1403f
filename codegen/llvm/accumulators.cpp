#include "codegen/llvm/accumulators.h"

#include <algorithm>

#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

// Booleans accumulate in bytes, which make better vectors than bits.
llvm::Value* widened(llvm::IRBuilderBase& b, llvm::Value* value) {
  if (!value->getType()->getScalarType()->isIntegerTy(1)) return value;
  return b.CreateZExt(value, shaped(b.getInt8Ty(), lanes_of(value)));
}

llvm::Value* load(llvm::IRBuilderBase& b, llvm::AllocaInst* variable) {
  return b.CreateLoad(variable->getAllocatedType(), variable);
}

}  // namespace

Accumulators::Accumulators(llvm::IRBuilderBase& builder, const LoopNest& nest, const Stage& stage,
                           ValueEmitter& values)
    : b_(builder), stage_(stage), values_(values) {
  for (int r : stage.reductions) sums_.push_back({&nest.reductions[static_cast<size_t>(r)]});
}

bool Accumulators::lose_digits() const {
  return std::any_of(sums_.begin(), sums_.end(), [](const Sum& sum) {
    return loses_digits(sum.reduction->op, sum.reduction->type);
  });
}

bool Accumulators::over_reduced() const {
  return std::count(stage_.reduced.begin(), stage_.reduced.end(), stage_.lane) != 0;
}

int Accumulators::lanes() const {
  return stage_.lane >= 0 ? values_.lanes() : 0;
}

llvm::Type* Accumulators::type_of(const Accumulation& reduction) const {
  llvm::Type* element =
      reduction.type == DType::b8 ? b_.getInt8Ty() : register_type(b_.getContext(), reduction.type);
  return shaped(element, lanes());
}

llvm::Value* Accumulators::identity_of(const Accumulation& reduction) const {
  return constant_of(b_.getContext(), identity(reduction.op, reduction.type), lanes());
}

void Accumulators::reset(const Sum& sum) {
  b_.CreateStore(widened(b_, identity_of(*sum.reduction)), sum.value);
}

void Accumulators::start(bool in_blocks) {
  for (Sum& sum : sums_) {
    llvm::Type* type = type_of(*sum.reduction);
    sum.value = emit_variable(b_, type);
    reset(sum);
    if (!in_blocks || !loses_digits(sum.reduction->op, sum.reduction->type)) continue;
    for (llvm::AllocaInst** variable : {&sum.total, &sum.rest}) {
      *variable = emit_variable(b_, type);
      b_.CreateStore(llvm::Constant::getNullValue(type), *variable);
    }
  }
}

void Accumulators::begin_block() {
  for (const Sum& sum : sums_)
    if (sum.total != nullptr) reset(sum);
}

void Accumulators::end_block() {
  for (const Sum& sum : sums_) {
    if (sum.total == nullptr) continue;
    const CompensatedSum total =
        emit_add(b_, {load(b_, sum.total), load(b_, sum.rest)}, load(b_, sum.value));
    b_.CreateStore(total.sum, sum.total);
    b_.CreateStore(total.rest, sum.rest);
  }
}

void Accumulators::add(size_t i, llvm::Value* value) {
  const Sum& sum = sums_[i];
  value = splat(b_, value, lanes());
  if (over_reduced() && values_.tail() != nullptr)
    value = b_.CreateSelect(values_.tail(), value, identity_of(*sum.reduction));
  llvm::Value* before = load(b_, sum.value);
  value = emit_combine(b_, sum.reduction->op, sum.reduction->type, before, widened(b_, value));
  b_.CreateStore(value, sum.value);
}

void Accumulators::finish() {
  for (size_t i = 0; i < sums_.size(); ++i) {
    const Sum& sum = sums_[i];
    llvm::Value* value = sum.total == nullptr
                             ? load(b_, sum.value)
                             : emit_total(b_, {load(b_, sum.total), load(b_, sum.rest)});
    if (over_reduced()) value = emit_fold(b_, sum.reduction->op, sum.reduction->type, value);
    if (sum.reduction->type == DType::b8)
      value = b_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
    values_.set_result(stage_.reductions[i], value);
  }
}

}  // namespace tessera
