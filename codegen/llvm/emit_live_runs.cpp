#include "codegen/llvm/emit_live_runs.h"

#include <llvm/IR/Constants.h>

#include <vector>

namespace tessera {
namespace {

// For each panel and run: the step at which the stretch of live runs around it ends; 0 for a run
// that is pad.
llvm::Value* stretch_ends(ContractionContext& c) {
  const PadRuns& pads = c.plan.layout.pads_of_b;
  const int64_t columns = c.schedule().columns();
  std::vector<uint64_t> ends;
  for (int64_t n = 0; n < volume(c.plan.layout.n); n += columns) {
    const uint64_t live = pads.live(n, columns);
    const size_t first = ends.size();
    ends.resize(first + static_cast<size_t>(pads.runs));
    uint64_t end = 0;
    for (int64_t run = pads.runs; run-- > 0;) {
      if ((live >> run & 1) == 0)
        end = 0;
      else if (end == 0)
        end = static_cast<uint64_t>((run + 1) * pads.run);
      ends[first + static_cast<size_t>(run)] = end;
    }
  }
  return c.in_memory(llvm::ConstantDataArray::get(c.llvm, ends));
}

}  // namespace

void emit_live_runs(ContractionContext& c, llvm::IRBuilder<>& b, const LiveRuns& where,
                    const std::function<void(llvm::Value* k, llvm::Value* count)>& body) {
  const PadRuns& pads = c.plan.layout.pads_of_b;
  llvm::Value* panel = b.CreateUDiv(where.column, c.constant(c.schedule().columns()));
  llvm::Value* ends =
      b.CreateInBoundsGEP(c.i64, stretch_ends(c), b.CreateMul(panel, c.constant(pads.runs)));
  llvm::Value* end = b.CreateAdd(where.k, where.count);
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::Function* function = before->getParent();
  llvm::BasicBlock* head = llvm::BasicBlock::Create(c.llvm, "runs", function);
  llvm::BasicBlock* inside = llvm::BasicBlock::Create(c.llvm, "run", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(c.llvm, "ran", function);
  b.CreateBr(head);
  b.SetInsertPoint(head);
  llvm::PHINode* k = b.CreatePHI(c.i64, 2);
  k->addIncoming(where.k, before);
  b.CreateCondBr(b.CreateICmpSLT(k, end), inside, after);
  b.SetInsertPoint(inside);
  llvm::Value* run = b.CreateUDiv(k, c.constant(pads.run));
  llvm::Value* known = b.CreateLoad(c.i64, b.CreateInBoundsGEP(c.i64, ends, run));
  llvm::Value* live_to = b.CreateSelect(where.all, end, known);
  llvm::Value* is_live = b.CreateICmpSGT(live_to, k);
  llvm::Value* dead_to = b.CreateMul(b.CreateAdd(run, c.constant(1)), c.constant(pads.run));
  llvm::Value* next = emit_min(b, b.CreateSelect(is_live, live_to, dead_to), end);
  emit_if(b, is_live, [&] { body(k, b.CreateSub(next, k)); });
  k->addIncoming(next, b.GetInsertBlock());
  b.CreateBr(head);
  b.SetInsertPoint(after);
}

}  // namespace tessera
