#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/source_location.h"
#include "ir/expr.h"

namespace tessera {

// Machine code for one KernelGroup. The code belongs to the Compiler that made it.
//
//   for each range [begin, end) of 0 … chunks-1, on any thread, in any order, each range once:
//     run_chunks(kernel, arguments, scratch, begin, end, &fault);  // run_chunks.h
//
// `arguments` points at the buffers in the order of `Kernel::arguments`, each aligned to its
// element. `scratch` has `scratch_bytes` bytes aligned to 64 and belongs to one call at a time; its
// contents mean nothing before and after. Chunks are independent, so ranges may run at once. When
// `chunks` is 0 there is nothing to do. `fault` is set to something other than 0 (see fault.h) when
// an index that was read from a tensor lies outside (nothing outside is touched; the outputs are
// then undefined) and is left alone otherwise; it may be shared by all threads.
struct Kernel {
  using Entry = void (*)(void* const* arguments, void* scratch, int64_t begin, int64_t end,
                         int64_t* fault);

  std::string name;               // of its outputs: "h+relu", for traces
  std::vector<Tensor> arguments;  // inputs, then outputs
  int64_t chunks = 0;
  size_t scratch_bytes = 0;
  Entry entry = nullptr;
  double flops = 0;  // of all chunks
  double bytes = 0;
  SourceLocation where;
  std::vector<std::string> faults;  // faults[code - 1] says what happened
};

// "caps.tess:7:3: the index `token` is 120 where it reads `table` along `v`; allowed is 0 to 99"
std::string describe_fault(const Kernel& kernel, int64_t fault);

}  // namespace tessera
