#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "ir/interpret.h"

namespace tessera {

// Runs kernels one after the other in this thread, on buffers by tensor that end where memory ends.
// Outputs start as garbage, so that an element that nobody writes shows. With `parts` > 1 chunks
// run in that many ranges, the last first.
class KernelRunner {
 public:
  // The buffers of the tensors that kernels read and none writes.
  explicit KernelRunner(std::map<Tensor, Array> given) : arrays_(std::move(given)) {}

  // Returns the fault that the kernel reported, or 0.
  int64_t run(const Kernel& kernel, const KernelGroup& group, int parts = 1);
  const Array& operator[](const Tensor& tensor) const { return arrays_.at(tensor); }
  std::map<Tensor, Array>& arrays() { return arrays_; }

 private:
  std::map<Tensor, Array> arrays_;
};

// Small whole numbers for floats and integers, so that sums are exact in any order.
Array whole_numbers(const Tensor& tensor, uint64_t seed);

// normalize, unroll, fuse (or one group a nest), compile, run; compares every output and updated
// value with the interpreter's, and returns what differs as text, "" when nothing does. `tolerance`
// is relative to the largest value of the array.
struct RunOptions {
  bool fuse = true;
  int parts = 1;
  double tolerance = 2e-5;
  BlockLimits blocks = {};  // those of the compiler
};
std::string run_and_compare(const Program& program, const Arrays& inputs, Compiler& compiler,
                            const RunOptions& options = {});

// run_and_compare of a text without its first line, on random inputs, with kernels for this host.
std::string run_and_compare(const std::string& text, int parts = 1);

// The kernels of a text without its first line.
std::vector<KernelGroup> fused(const std::string& text);

// The tensors that are returned or kept.
std::set<Tensor> needed_of(const Program& program);

// "" or the first differences.
std::string difference(const std::string& name, const Array& found, const Array& wanted,
                       double tolerance);

// Compiles without a cache on disk.
Compiler plain_compiler(CpuLevel level = CpuLevel::host, const BlockLimits& blocks = {});

// Everything that can runs in blocks, and these are small. A compiler made with them tiles
// contractions of any size.
inline constexpr BlockLimits kSmallBlocks{
    .least = 0, .room = 512, .most_room = 1 << 20, .always = true};

// The processors whose code kernel tests run: this host with all it has, and every level below it.
std::vector<CpuLevel> test_levels();

// Every schedule of a group in reach of two steps from the model's (of the second, those from one
// in `of_seconds`), against the arrays that the interpreter gives; what differs as text.
std::string compare_schedules(const KernelGroup& group, const std::map<Tensor, Array>& given,
                              const Arrays& wanted, const BuildOptions& options,
                              double tolerance = 2e-5, size_t of_seconds = 4);

// The same of all kernels of a program.
std::string compare_all_schedules(const Program& program, const Arrays& inputs, double tolerance,
                                  CpuLevel level);

}  // namespace tessera
