#include "codegen/llvm/frame.h"

#include <llvm/IR/Constants.h>

#include <vector>

namespace tessera {

void emit_for(llvm::IRBuilderBase& b, llvm::Value* begin, llvm::Value* end, int64_t step,
              const std::function<void(llvm::Value*)>& body) {
  llvm::LLVMContext& context = b.getContext();
  llvm::Function* function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(context, "loop", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(context, "done", function);
  b.CreateCondBr(b.CreateICmpSLT(begin, end), loop, after);
  b.SetInsertPoint(loop);
  llvm::PHINode* i = b.CreatePHI(b.getInt64Ty(), 2, "i");
  i->addIncoming(begin, before);
  body(i);
  llvm::Value* next = b.CreateNSWAdd(i, b.getInt64(static_cast<uint64_t>(step)));
  i->addIncoming(next, b.GetInsertBlock());
  b.CreateCondBr(b.CreateICmpSLT(next, end), loop, after);
  b.SetInsertPoint(after);
}

void emit_if(llvm::IRBuilderBase& b, llvm::Value* condition, const std::function<void()>& then,
             const std::function<void()>& otherwise) {
  llvm::LLVMContext& context = b.getContext();
  llvm::Function* function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock* yes = llvm::BasicBlock::Create(context, "then", function);
  llvm::BasicBlock* no = llvm::BasicBlock::Create(context, "else", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(context, "endif", function);
  b.CreateCondBr(condition, yes, no);
  b.SetInsertPoint(yes);
  then();
  b.CreateBr(after);
  b.SetInsertPoint(no);
  if (otherwise) otherwise();
  b.CreateBr(after);
  b.SetInsertPoint(after);
}

llvm::AllocaInst* emit_variable(llvm::IRBuilderBase& b, llvm::Type* type) {
  llvm::BasicBlock& entry = b.GetInsertBlock()->getParent()->getEntryBlock();
  llvm::IRBuilder<> at_entry(&entry, entry.begin());
  return at_entry.CreateAlloca(type);
}

llvm::Constant* iota(llvm::Type* element, int lanes, int64_t step) {
  std::vector<llvm::Constant*> values;
  for (int i = 0; i < lanes; ++i) values.push_back(llvm::ConstantInt::getSigned(element, i * step));
  return llvm::ConstantVector::get(values);
}

}  // namespace tessera
