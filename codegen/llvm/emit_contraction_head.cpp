#include <vector>

#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/emit_products.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

// For a panel of so many vectors, whose sums are formed side by side, which hides the latency of
// the unit.
void emit_sums(ContractionContext& c, llvm::IRBuilder<>& b, llvm::Function* function, int vectors) {
  const NarrowProduct& product = c.schedule().product;
  const int lanes = c.schedule().lanes;
  llvm::Type* type = shaped(c.word, lanes);
  const llvm::Align align(static_cast<uint64_t>(c.element_bytes()));
  llvm::Value* shift = llvm::ConstantInt::get(type, kHighestBits);
  const auto place = [&](llvm::Value* row, int v) {
    llvm::Value* at = b.CreateAdd(b.CreateMul(row, c.constant(int64_t{vectors} * lanes)),
                                  c.constant(int64_t{v} * lanes));
    return b.CreateInBoundsGEP(c.word, function->getArg(1), at);
  };
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(c.llvm, "row", function);
  llvm::BasicBlock* done = llvm::BasicBlock::Create(c.llvm, "done", function);
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode* row = b.CreatePHI(c.i64, 2);
  row->addIncoming(c.constant(1), before);
  std::vector<llvm::PHINode*> before_row;
  for (int v = 0; v < vectors; ++v) {
    before_row.push_back(b.CreatePHI(type, 2));
    before_row.back()->addIncoming(llvm::Constant::getNullValue(type), before);
  }
  std::vector<llvm::Value*> sums;
  for (int v = 0; v < vectors; ++v) {
    llvm::PHINode* sum = before_row[static_cast<size_t>(v)];
    llvm::Value* words = b.CreateAlignedLoad(type, place(row, v), align);
    sums.push_back(emit_products(b, product, shift, words, sum));
    sum->addIncoming(sums.back(), loop);
  }
  llvm::Value* next = b.CreateAdd(row, c.constant(1));
  row->addIncoming(next, loop);
  b.CreateCondBr(b.CreateICmpSLE(next, function->getArg(3)), loop, done);
  b.SetInsertPoint(done);
  for (int v = 0; v < vectors; ++v)
    b.CreateAlignedStore(b.CreateNeg(sums[static_cast<size_t>(v)]), place(c.constant(0), v), align);
}

}  // namespace

llvm::Function* emit_head(ContractionContext& c) {
  llvm::Function* function = c.make_function("head", {c.pointer, c.pointer, c.i64, c.i64}, 0);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(c.llvm, "entry", function));
  for (int vectors = 1; vectors <= c.schedule().vectors; ++vectors) {
    llvm::Value* columns = c.constant(int64_t{vectors} * c.schedule().lanes);
    emit_if(b, b.CreateICmpEQ(function->getArg(2), columns),
            [&] { emit_sums(c, b, function, vectors); });
  }
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
