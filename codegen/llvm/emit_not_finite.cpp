#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/scalars.h"

namespace tessera {

llvm::Function* emit_not_finite(ContractionContext& c) {
  llvm::Function* function =
      c.make_function("not_finite", {c.pointer, c.pointer, c.i64, c.pointer}, 0);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(c.llvm, "entry", function));
  llvm::Type* type = shaped(c.element, c.schedule().lanes);
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(c.llvm, "vector", function);
  llvm::BasicBlock* done = llvm::BasicBlock::Create(c.llvm, "done", function);
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode* at = b.CreatePHI(c.i64, 2);
  llvm::PHINode* sum = b.CreatePHI(type, 2);
  at->addIncoming(c.constant(0), before);
  sum->addIncoming(llvm::Constant::getNullValue(type), before);
  // x - x is 0 of what is finite, else no number, as is then every sum with it.
  llvm::Value* x =
      b.CreateAlignedLoad(type, b.CreateInBoundsGEP(c.element, function->getArg(1), at),
                          llvm::Align(static_cast<uint64_t>(c.element_bytes())));
  llvm::Value* next_sum = b.CreateFAdd(sum, b.CreateFSub(x, x));
  llvm::Value* next = b.CreateAdd(at, c.constant(c.schedule().lanes));
  at->addIncoming(next, loop);
  sum->addIncoming(next_sum, loop);
  b.CreateCondBr(b.CreateICmpSLT(next, function->getArg(2)), loop, done);
  b.SetInsertPoint(done);
  llvm::Value* found = b.CreateOrReduce(b.CreateFCmpUNO(next_sum, next_sum));
  emit_if(b, found, [&] { b.CreateStore(b.getTrue(), function->getArg(3)); });
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
