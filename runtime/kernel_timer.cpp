#include "runtime/kernel_timer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/array.h"
#include "base/error.h"
#include "ir/index_range.h"
#include "ir/random.h"
#include "ir/structure.h"
#include "runtime/arena.h"

namespace tessera {
namespace {

constexpr double kSampleSeconds = 1e-3;
constexpr int kMostRuns = 200;

using Clock = std::chrono::steady_clock;

// One more than the largest value that every use of `tensor` in an index allows; 8 where it is used
// in none.
int64_t limit_of(const KernelGroup& group, const Tensor& tensor) {
  int64_t limit = -1;
  for (const Nest& nest : group.nests)
    for (const Expr& node : reads_of(nest)) {
      const Read* read = as<Read>(node);
      for (size_t i = 0; i < read->indices.size(); ++i) {
        const std::vector<Tensor> used = tensors_read(read->indices[i].value);
        if (std::find(used.begin(), used.end(), tensor) == used.end()) continue;
        const int64_t extent = read->tensor.dims()[i].extent();
        limit = limit < 0 ? extent : std::min(limit, extent);
      }
    }
  return limit < 0 ? 8 : std::max<int64_t>(limit, 1);
}

void fill(Array& array, int64_t limit, uint64_t stream) {
  for (size_t i = 0; i < array.size(); ++i) {
    const double uniform = uniform_value(0, stream, i);
    array.set(i, is_float(array.type)      ? 2 * uniform - 1
                 : array.type == DType::b8 ? std::floor(2 * uniform)
                                           : std::floor(uniform * static_cast<double>(limit)));
  }
}

}  // namespace

struct KernelTimer::Buffers {
  Buffers(const Kernel& kernel, const KernelGroup& group) {
    size_t bytes = 0;
    std::vector<size_t> offsets;
    for (const Tensor& tensor : kernel.arguments) {
      offsets.push_back(bytes);
      const auto size = static_cast<size_t>(volume(tensor.dims())) * size_of(tensor.type());
      bytes += (size + 127) / 64 * 64;
    }
    arena = std::make_unique<Arena>(bytes);
    for (size_t i = 0; i < offsets.size(); ++i) {
      pointers.push_back(arena->at(offsets[i]));
      if (i >= group.inputs.size()) continue;
      const Tensor& tensor = kernel.arguments[i];
      Array array = make_array(tensor.type(), extents(tensor.dims()));
      fill(array, limit_of(group, tensor), i);
      std::copy(array.data.begin(), array.data.end(), arena->at(offsets[i]));
    }
  }

  std::unique_ptr<Arena> arena;
  std::vector<void*> pointers;
};

KernelTimer::KernelTimer(int threads) : workers_(threads) {}
KernelTimer::~KernelTimer() = default;

double KernelTimer::seconds(const Kernel& kernel, const KernelGroup& group) {
  const std::string text = canonical_text(group);
  if (!buffers_ || text != filled_for_) {
    buffers_.reset();
    buffers_ = std::make_unique<Buffers>(kernel, group);
    filled_for_ = text;
  }
  workers_.reserve_scratch(kernel.scratch_bytes);
  const auto run = [&] {
    if (const int64_t fault = workers_.run(kernel, buffers_->pointers.data()); fault != 0)
      throw UserError("it cannot be timed on random inputs: " + describe_fault(kernel, fault));
  };
  run();  // warms up
  int runs = 0;
  double used = 0;
  const Clock::time_point start = Clock::now();
  do {
    run();
    ++runs;
    used = std::chrono::duration<double>(Clock::now() - start).count();
  } while (used < kSampleSeconds && runs < kMostRuns);
  return used / runs;
}

}  // namespace tessera
