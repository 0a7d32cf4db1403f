#include "codegen/llvm/gpu/combine_threads.h"

#include "codegen/gpu/gpu_schedule.h"
#include "codegen/llvm/scalars.h"

namespace tessera {

llvm::Value* emit_combine_threads(llvm::IRBuilderBase& b, GpuThreads& threads,
                                  const ThreadGroup& group, const Accumulation& reduction,
                                  llvm::Value* value, llvm::Value* room) {
  const auto combined = [&](llvm::Value* x, llvm::Value* y) {
    return emit_combine(b, reduction.op, reduction.type, x, y);
  };
  int mask = group.stride;
  for (; mask < group.stride * group.count && mask < kGpuWarp; mask *= 2)
    value = combined(value, threads.of_other(value, mask));
  const int left = group.stride * group.count / mask;
  if (left <= 1) return value;
  // What each warp has, one after the other.
  llvm::Type* type = value->getType();
  llvm::Value* thread = threads.thread();
  const auto place = [&](llvm::Value* of) { return b.CreateGEP(type, room, of); };
  b.CreateStore(value, place(thread));
  threads.barrier();
  llvm::Value* first = b.CreateAnd(thread, b.getInt32(~static_cast<uint32_t>(mask * (left - 1))));
  llvm::Value* sum = b.CreateLoad(type, place(first));
  for (int i = 1; i < left; ++i)
    sum = combined(
        sum,
        b.CreateLoad(type, place(b.CreateAdd(first, b.getInt32(static_cast<uint32_t>(i * mask))))));
  threads.barrier();
  return sum;
}

}  // namespace tessera
