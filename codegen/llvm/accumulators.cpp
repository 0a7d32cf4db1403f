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

}  // namespace

Accumulators::Accumulators(llvm::IRBuilderBase& builder, const LoopNest& nest, const Stage& stage,
                           ValueEmitter& values, int turns)
    : b_(builder), stage_(stage), values_(values), turns_(turns) {
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

bool Accumulators::along_scan() const {
  return stage_.scan && stage_.lane == stage_.scan->in;
}

int Accumulators::lanes() const {
  return stage_.lane >= 0 && !along_scan() ? values_.lanes() : 0;
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
  for (llvm::AllocaInst* value : sum.values)
    b_.CreateStore(widened(b_, identity_of(*sum.reduction)), value);
}

llvm::Value* Accumulators::read(const Sum& sum, llvm::Value* variable) {
  return b_.CreateLoad(type_of(*sum.reduction), variable);
}

llvm::Value* Accumulators::of_all_turns(const Sum& sum) {
  llvm::Value* all = read(sum, sum.values[0]);
  for (size_t i = 1; i < sum.values.size(); ++i)
    all = emit_combine(b_, sum.reduction->op, sum.reduction->type, all, read(sum, sum.values[i]));
  return all;
}

CompensatedSum Accumulators::total_of(const Sum& sum) {
  return {read(sum, sum.total), read(sum, sum.rest)};
}

void Accumulators::begin_total(const Sum& sum) {
  llvm::Value* nothing = widened(b_, identity_of(*sum.reduction));
  b_.CreateStore(nothing, sum.total);
  if (sum.rest != nullptr)
    b_.CreateStore(llvm::Constant::getNullValue(nothing->getType()), sum.rest);
}

void Accumulators::start(bool in_blocks) {
  for (Sum& sum : sums_) {
    llvm::Type* type = type_of(*sum.reduction);
    for (int i = 0; i < turns_; ++i) sum.values.push_back(emit_variable(b_, type));
    reset(sum);
    if (!in_blocks || !loses_digits(sum.reduction->op, sum.reduction->type)) continue;
    sum.total = emit_variable(b_, type);
    sum.rest = emit_variable(b_, type);
    begin_total(sum);
  }
}

void Accumulators::resume_at(llvm::Value* memory) {
  uint64_t offset = 0;
  const auto next = [&](const Sum& sum) {
    llvm::Value* place = b_.CreateConstGEP1_64(b_.getInt8Ty(), memory, offset);
    offset += static_cast<uint64_t>(lanes()) * size_of(sum_type(sum.reduction->type));
    return place;
  };
  for (Sum& sum : sums_) {
    if (sum.values.empty()) sum.values.push_back(emit_variable(b_, type_of(*sum.reduction)));
    sum.total = next(sum);
    llvm::Value* rest = next(sum);
    if (loses_digits(sum.reduction->op, sum.reduction->type)) sum.rest = rest;
  }
}

void Accumulators::start_at(llvm::Value* memory) {
  resume_at(memory);
  for (const Sum& sum : sums_) begin_total(sum);
}

void Accumulators::begin_block() {
  for (const Sum& sum : sums_)
    if (sum.total != nullptr) reset(sum);
}

void Accumulators::end_block() {
  for (const Sum& sum : sums_) {
    if (sum.total == nullptr) continue;
    llvm::Value* value = of_all_turns(sum);
    if (sum.rest == nullptr) {
      const auto [op, type, node] = *sum.reduction;
      b_.CreateStore(emit_combine(b_, op, type, read(sum, sum.total), value), sum.total);
      continue;
    }
    const CompensatedSum total = emit_add(b_, total_of(sum), value);
    b_.CreateStore(total.sum, sum.total);
    b_.CreateStore(total.rest, sum.rest);
  }
}

void Accumulators::add(size_t i, llvm::Value* value) {
  const Sum& sum = sums_[i];
  value = splat(b_, value, lanes());
  if (over_reduced()) value = within_tail(sum, value);
  llvm::AllocaInst* running = sum.values[turn_];
  llvm::Value* before = read(sum, running);
  value = emit_combine(b_, sum.reduction->op, sum.reduction->type, before, widened(b_, value));
  b_.CreateStore(value, running);
}

llvm::Value* Accumulators::within_tail(const Sum& sum, llvm::Value* value) {
  if (values_.tail() == nullptr) return value;
  const Scalar neutral = identity(sum.reduction->op, sum.reduction->type);
  return b_.CreateSelect(values_.tail(), value,
                         constant_of(b_.getContext(), neutral, lanes_of(value)));
}

void Accumulators::take_in(size_t i, llvm::Value* value, Running running, int register_bytes) {
  const Sum& sum = sums_[i];
  const auto [op, type, node] = *sum.reduction;
  value = widened(b_, within_tail(sum, splat(b_, value, values_.lanes())));
  llvm::Value* prefix = emit_prefix(b_, op, type, running, value, register_bytes);
  llvm::Value* whole = emit_whole(b_, running, prefix);
  llvm::Value* before = nullptr;
  if (sum.total != nullptr) {
    const CompensatedSum total = total_of(sum);
    before = emit_total(b_, total);
    const CompensatedSum after = emit_add(b_, total, whole);
    b_.CreateStore(after.sum, sum.total);
    b_.CreateStore(after.rest, sum.rest);
  } else {
    before = read(sum, sum.values[0]);
    b_.CreateStore(emit_combine(b_, op, type, before, whole), sum.values[0]);
  }
  hand_over(i, emit_combine(b_, op, type, splat(b_, before, values_.lanes()), prefix));
}

void Accumulators::hand_over(size_t i, llvm::Value* value) {
  if (sums_[i].reduction->type == DType::b8)
    value = b_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
  values_.set_result(stage_.reductions[i], value);
}

void Accumulators::finish(const Across& across) {
  for (size_t i = 0; i < sums_.size(); ++i) {
    const Sum& sum = sums_[i];
    llvm::Value* value = sum.total == nullptr  ? of_all_turns(sum)
                         : sum.rest == nullptr ? read(sum, sum.total)
                                               : emit_total(b_, total_of(sum));
    if (over_reduced()) value = emit_fold(b_, sum.reduction->op, sum.reduction->type, value);
    if (across) value = across(*sum.reduction, value);
    hand_over(i, value);
  }
}

}  // namespace tessera
