#pragma once

#include "codegen/llvm/gpu/gpu_threads.h"
#include "codegen/loop_nest.h"

namespace tessera {

// Threads `thread + i * stride`, i < count, that hold parts of a reduction: both powers of two, of
// a block whose threads are numbered so that these differ in some bits of the number alone.
struct ThreadGroup {
  int stride = 1;
  int count = 1;
};

// What all threads of the group hold, combined in an order that depends on the group alone; every
// one of them gets the same bits. All threads of the block call it. `room` is shared memory of
// `size_of(value)` bytes for each thread of the block, whose contents do not matter.
llvm::Value* emit_combine_threads(llvm::IRBuilderBase& builder, GpuThreads& threads,
                                  const ThreadGroup& group, const Accumulation& reduction,
                                  llvm::Value* value, llvm::Value* room);

}  // namespace tessera
