#include "codegen/llvm/frame.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <vector>

#include "codegen/fault.h"
#include "codegen/llvm/scalars.h"

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

void report_fault(llvm::IRBuilderBase& b, llvm::Value* outside, llvm::Value* index, int64_t code,
                  llvm::Value* fault) {
  const int lanes = lanes_of(outside);
  llvm::Value* any = lanes == 0 ? outside : b.CreateOrReduce(outside);
  emit_if(b, any, [&] {
    llvm::Value* found = index;
    if (lanes_of(index) != 0 && lanes == 0) {
      found = b.CreateExtractElement(index, uint64_t{0});
    } else if (lanes_of(index) != 0) {
      llvm::Type* bits = b.getIntNTy(static_cast<unsigned>(lanes));
      llvm::Value* first = b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz,
                                                   b.CreateBitCast(outside, bits), b.getTrue());
      found = b.CreateExtractElement(index, b.CreateZExtOrTrunc(first, b.getInt32Ty()));
    }
    llvm::Value* value = b.CreateShl(b.CreateSExtOrTrunc(found, b.getInt64Ty()), kFaultValueShift);
    llvm::Value* word = b.CreateOr(value, b.getInt64(static_cast<uint64_t>(code)));
    llvm::StoreInst* store = b.CreateStore(word, fault);
    store->setAlignment(llvm::Align(8));
    store->setAtomic(llvm::AtomicOrdering::Monotonic);
  });
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
