#pragma once

#include "codegen/gpu/gpu_target.h"
#include "ir/nest.h"

namespace tessera {

// Predicted seconds of a nest's kernels on a GPU of this kind, for its extents: beside KernelModel,
// which is for processors. The nest is cut, tiled and scheduled as the compiler would do it
// (gpu_kernel.h). Of each launch the longest counts of
//
//   computing    tiles or points go in waves over the multiprocessors, and the last wave takes as
//                long as a full one; tiles reach a share of the peak that their size decides
//   memory       every argument passes once, at a rate that takes some bytes on their way: fewer
//                threads than that reach less
//   waiting      each step of a thread takes some time, whatever others do
//
// and the launch itself. What tiles take was fitted to an H100, as docs/gpu.md has it, units for
// matrices excepted, which nothing has been measured of. A function of the nest alone: a hundred
// microseconds, and the same on every rank. Any thread may ask.
double predict_gpu_seconds(const Nest& local, const GpuTarget& target);

}  // namespace tessera
