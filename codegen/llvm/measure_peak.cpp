#include "codegen/llvm/measure_peak.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <vector>

#include "base/thread_clock.h"
#include "codegen/llvm/jit.h"

namespace tessera {
namespace {

// Enough to hide the latency of two units of latency 5; fits 16 registers with two constants.
constexpr int kAccumulators = 12;

// void peak(i64 rounds, ptr out): `rounds` times acc[i] = acc[i] * acc[i]' + c for each of them.
void emit_peak(llvm::Module& module, int lanes) {
  llvm::LLVMContext& llvm = module.getContext();
  llvm::Type* vector =
      llvm::FixedVectorType::get(llvm::Type::getFloatTy(llvm), static_cast<unsigned>(lanes));
  llvm::Type* i64 = llvm::Type::getInt64Ty(llvm);
  llvm::Function* function = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(llvm),
                              {i64, llvm::PointerType::getUnqual(llvm)}, false),
      llvm::GlobalValue::ExternalLinkage, "peak", module);
  llvm::BasicBlock* entry = llvm::BasicBlock::Create(llvm, "entry", function);
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(llvm, "loop", function);
  llvm::BasicBlock* done = llvm::BasicBlock::Create(llvm, "done", function);
  llvm::IRBuilder<> b(entry);
  llvm::Value* factor = b.CreateAlignedLoad(vector, function->getArg(1), llvm::Align(4));
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode* round = b.CreatePHI(i64, 2);
  round->addIncoming(function->getArg(0), entry);
  std::vector<llvm::PHINode*> sums;
  for (int i = 0; i < kAccumulators; ++i) {
    sums.push_back(b.CreatePHI(vector, 2));
    sums.back()->addIncoming(llvm::ConstantFP::get(vector, i), entry);
  }
  std::vector<llvm::Value*> next;
  for (llvm::PHINode* sum : sums) {
    next.push_back(b.CreateIntrinsic(llvm::Intrinsic::fmuladd, {vector}, {factor, factor, sum}));
    sum->addIncoming(next.back(), loop);
  }
  llvm::Value* left = b.CreateSub(round, b.getInt64(1));
  round->addIncoming(left, loop);
  b.CreateCondBr(b.CreateICmpSGT(left, b.getInt64(0)), loop, done);
  b.SetInsertPoint(done);
  llvm::Value* total = next[0];
  for (int i = 1; i < kAccumulators; ++i) total = b.CreateFAdd(total, next[static_cast<size_t>(i)]);
  b.CreateAlignedStore(total, function->getArg(1), llvm::Align(4));
  b.CreateRetVoid();
}

}  // namespace

double measure_peak_gflops(CpuLevel level) {
  const int lanes = code_target(level).vector_bytes / 4;
  Jit jit;
  const std::string object = build_object(
      {.optimized = {}, .plain = [&](llvm::Module& module) { emit_peak(module, lanes); }}, level);
  const auto peak = reinterpret_cast<void (*)(int64_t, float*)>(jit.link(object, "peak"));
  std::vector<float> memory(static_cast<size_t>(lanes), 0.5f);
  double best = 0;
  constexpr int64_t kRounds = 100000;
  for (int i = 0; i < 50; ++i) {
    const double start = thread_seconds();
    peak(kRounds, memory.data());
    const double seconds = thread_seconds() - start;
    best = std::max(best, 2e-9 * kRounds * kAccumulators * lanes / seconds);
  }
  return best;
}

}  // namespace tessera
