#include "codegen/llvm/contraction_context.h"

#include <algorithm>

#include "base/error.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

constexpr int64_t kAlignment = 64;

// The value of sum(step * digit) for a flattened index, by dividing out the levels.
llvm::Value* mixed_radix(llvm::IRBuilder<>& b, const Affine& form, const IndexLevels& levels,
                         llvm::Value* index) {
  llvm::Value* sum = b.getInt64(0);
  for (size_t i = levels.size(); i-- > 0;) {
    llvm::Value* digit = index;
    if (i > 0) {
      digit = b.CreateURem(index, b.getInt64(levels[i].extent));
      index = b.CreateUDiv(index, b.getInt64(levels[i].extent));
    }
    const int64_t step = step_of(form, levels[i]);
    if (step != 0) sum = b.CreateAdd(sum, b.CreateMul(digit, b.getInt64(step)));
  }
  return sum;
}

}  // namespace

ContractionContext::ContractionContext(llvm::Module& target_module,
                                       const ContractionPlan& contraction_plan)
    : plan(contraction_plan),
      module(target_module),
      llvm(target_module.getContext()),
      element(register_type(llvm, contraction_plan.group.contraction.type)),
      word(contraction_plan.schedule.product.group() > 1 ? llvm::Type::getInt32Ty(llvm) : element),
      pointer(llvm::PointerType::getUnqual(llvm)),
      i64(llvm::Type::getInt64Ty(llvm)) {
  if (schedule().batched && plan.layout.batch.back().extent % schedule().lanes != 0)
    valid_batches_ = reserve(8);
}

llvm::Value* ContractionContext::valid_batches(llvm::IRBuilder<>& b, llvm::Value* scratch) const {
  return valid_batches_ < 0 ? nullptr : load_fixed(b, i64, at_scratch(b, scratch, valid_batches_));
}

void ContractionContext::set_valid_batches(llvm::IRBuilder<>& b, llvm::Value* scratch,
                                           llvm::Value* count) const {
  if (valid_batches_ >= 0) b.CreateStore(count, at_scratch(b, scratch, valid_batches_));
}

const IndexLevels& ContractionContext::levels(TileAxis axis) const {
  switch (axis) {
    case TileAxis::m:
      return plan.layout.m;
    case TileAxis::n:
      return plan.layout.n;
    case TileAxis::k:
      return plan.layout.k;
    case TileAxis::batch:
      return plan.layout.batch;
  }
  TESSERA_CHECK(false);
  return plan.layout.k;
}

int ContractionContext::argument_of(const Tensor& tensor) const {
  const std::vector<Tensor> all = plan.group.arguments();
  const auto at = std::find(all.begin(), all.end(), tensor);
  TESSERA_CHECK(at != all.end()) << tensor.name() << " is not an argument of its kernel";
  return static_cast<int>(at - all.begin());
}

int64_t ContractionContext::reserve(int64_t bytes) {
  const int64_t offset = scratch_bytes_;
  scratch_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

llvm::Value* ContractionContext::at_scratch(llvm::IRBuilder<>& b, llvm::Value* scratch,
                                            int64_t offset) const {
  return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), scratch, static_cast<uint64_t>(offset));
}

int64_t ContractionContext::slot_of(const Affine& form) {
  for (const Table& slot : slots_)
    if (slot.form == form) return slot.offset;
  slots_.push_back({form, reserve(8)});
  return slots_.back().offset;
}

int64_t ContractionContext::table_of(const Affine& form, TileAxis axis) {
  std::vector<Table>& tables = tables_[static_cast<int>(axis)];
  const IndexLevels& along = levels(axis);
  for (const Table& table : tables)
    if (std::all_of(along.begin(), along.end(), [&](const IndexLevel& level) {
          return step_of(table.form, level) == step_of(form, level);
        }))
      return table.offset;
  const int64_t entries = axis == TileAxis::m   ? schedule().m_chunk
                          : axis == TileAxis::n ? schedule().n_block
                                                : volume(along);
  tables.push_back({form, reserve(entries * 8)});
  return tables.back().offset;
}

llvm::Value* ContractionContext::part(llvm::IRBuilder<>& b, llvm::Value* scratch,
                                      const Affine& form, TileAxis axis, llvm::Value* index) {
  if (const std::optional<int64_t> step = single_step(form, levels(axis)))
    return b.CreateMul(index, constant(*step));
  llvm::Value* table = at_scratch(b, scratch, table_of(form, axis));
  return load_fixed(b, i64, b.CreateInBoundsGEP(i64, table, index));
}

llvm::Value* ContractionContext::evaluate(llvm::IRBuilder<>& b, llvm::Value* scratch,
                                          const Affine& form, const ContractionPoint& point) {
  llvm::Value* value = load_fixed(b, i64, at_scratch(b, scratch, slot_of(form)));
  for (const TileAxis axis : {TileAxis::m, TileAxis::n, TileAxis::k})
    if (point[axis] != nullptr && single_step(form, levels(axis)) != 0)
      value = b.CreateAdd(value, part(b, scratch, form, axis, point[axis]));
  return value;
}

void ContractionContext::fill_tables(llvm::IRBuilder<>& b, llvm::Value* scratch, TileAxis axis,
                                     llvm::Value* origin, llvm::Value* count) {
  const std::vector<Table>& tables = tables_[static_cast<int>(axis)];
  if (tables.empty()) return;
  emit_loop(b, constant(0), count, 1, [&](llvm::Value* i) {
    for (const Table& table : tables) {
      llvm::Value* at = b.CreateInBoundsGEP(i64, at_scratch(b, scratch, table.offset), i);
      b.CreateStore(mixed_radix(b, table.form, levels(axis), b.CreateAdd(origin, i)), at);
    }
  });
}

void ContractionContext::fill_slots(llvm::IRBuilder<>& b, llvm::Value* scratch, llvm::Value* batch,
                                    llvm::Value* m0, llvm::Value* n0) {
  for (const Table& slot : slots_) {
    llvm::Value* value = b.CreateAdd(constant(slot.form.constant),
                                     mixed_radix(b, slot.form, plan.layout.batch, batch));
    if (const auto step = single_step(slot.form, plan.layout.m))
      value = b.CreateAdd(value, b.CreateMul(m0, constant(*step)));
    if (const auto step = single_step(slot.form, plan.layout.n))
      value = b.CreateAdd(value, b.CreateMul(n0, constant(*step)));
    b.CreateStore(value, at_scratch(b, scratch, slot.offset));
  }
}

llvm::Value* ContractionContext::load_fixed(llvm::IRBuilder<>& b, llvm::Type* type,
                                            llvm::Value* from) const {
  llvm::LoadInst* load = b.CreateLoad(type, from);
  // The entry itself rewrites slots and tables between chunks.
  const llvm::Function* here = b.GetInsertBlock()->getParent();
  if (std::any_of(functions_.begin(), functions_.end(),
                  [&](const auto& made) { return made.first == here; }))
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(llvm, {}));
  return load;
}

void ContractionContext::finish_functions() {
  const size_t arguments = plan.group.arguments().size() * sizeof(void*);
  for (const auto& [function, scratch] : functions_) {
    function->addDereferenceableParamAttr(scratch, static_cast<uint64_t>(scratch_bytes_));
    if (scratch > 0) function->addDereferenceableParamAttr(scratch - 1, arguments);
  }
}

llvm::Function* ContractionContext::make_function(const std::string& name,
                                                  const std::vector<llvm::Type*>& params,
                                                  unsigned scratch) {
  llvm::FunctionType* type = llvm::FunctionType::get(llvm::Type::getVoidTy(llvm), params, false);
  llvm::Function* function =
      llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module);
  function->addFnAttr(llvm::Attribute::NoInline);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  function->setCallingConv(llvm::CallingConv::Fast);
  functions_.emplace_back(function, scratch);
  return function;
}

llvm::Value* ContractionContext::constant(int64_t value) const {
  return llvm::ConstantInt::getSigned(i64, value);
}

llvm::Value* ContractionContext::in_memory(llvm::Constant* value) {
  llvm::GlobalVariable*& made = constants_[value];
  if (made == nullptr)
    made = new llvm::GlobalVariable(module, value->getType(), true,
                                    llvm::GlobalValue::PrivateLinkage, value, "constant");
  return made;
}

void emit_loop(llvm::IRBuilder<>& b, llvm::Value* begin, llvm::Value* end, int64_t step,
               const std::function<void(llvm::Value*)>& body) {
  llvm::Function* function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* head = llvm::BasicBlock::Create(b.getContext(), "head", function);
  llvm::BasicBlock* inside = llvm::BasicBlock::Create(b.getContext(), "body", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(b.getContext(), "after", function);
  b.CreateBr(head);
  b.SetInsertPoint(head);
  llvm::PHINode* i = b.CreatePHI(begin->getType(), 2);
  i->addIncoming(begin, before);
  b.CreateCondBr(b.CreateICmpSLT(i, end), inside, after);
  b.SetInsertPoint(inside);
  body(i);
  llvm::Value* next = b.CreateNSWAdd(i, llvm::ConstantInt::getSigned(i->getType(), step));
  i->addIncoming(next, b.GetInsertBlock());
  b.CreateBr(head);
  b.SetInsertPoint(after);
}

void emit_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body) {
  llvm::Function* function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock* inside = llvm::BasicBlock::Create(b.getContext(), "then", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(b.getContext(), "end", function);
  b.CreateCondBr(condition, inside, after);
  b.SetInsertPoint(inside);
  body();
  b.CreateBr(after);
  b.SetInsertPoint(after);
}

llvm::Value* emit_min(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y) {
  return b.CreateSelect(b.CreateICmpSLT(x, y), x, y);
}

}  // namespace tessera
