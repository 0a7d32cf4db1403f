#pragma once

#include <cstdint>

#include "codegen/kernel.h"

namespace tessera {

// Runs the chunks [begin, end) of a kernel on this thread, with subnormal numbers (of f32 below
// 2^-126 in magnitude) taken for 0 where they are read and where they would be results: processors
// need a hundred cycles for each, so that a softmax with a few hopeless candidates, or a moment
// that decays, would be ten times slower than the same formula on other numbers. The thread's own
// mode is as before afterwards.
//
//   run_chunks(kernel, pointers.data(), scratch, 0, kernel.chunks, &fault);
void run_chunks(const Kernel& kernel, void* const* arguments, void* scratch, int64_t begin,
                int64_t end, int64_t* fault);

}  // namespace tessera
