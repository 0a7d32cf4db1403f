#include "launcher/bench/gpu_run.h"

#include <chrono>
#include <cstring>

#include "base/error.h"
#include "codegen/fault.h"

namespace tessera {
namespace {

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(volume(tensor.dims())) * size_of(tensor.type());
}

// The elements of an array over `from` in the order of `to`.
Array in_order(const Array& array, const Dims& from, const Dims& to) {
  if (from == to) return array;
  Array result = make_array(array.type, extents(to));
  const size_t element = size_of(array.type);
  std::vector<size_t> steps(to.size(), 1);
  for (size_t i = 0; i < to.size(); ++i)
    for (size_t j = static_cast<size_t>(position(from, to[i])) + 1; j < from.size(); ++j)
      steps[i] *= static_cast<size_t>(from[j].extent());
  for (size_t at = 0; at < result.size(); ++at) {
    size_t rest = at, source = 0;
    for (size_t i = to.size(); i-- > 0;) {
      source += rest % static_cast<size_t>(to[i].extent()) * steps[i];
      rest /= static_cast<size_t>(to[i].extent());
    }
    std::memcpy(result.data.data() + at * element, array.data.data() + source * element, element);
  }
  return result;
}

}  // namespace

GpuRun::GpuRun(const GpuProgram& program, const Arrays& inputs, const Arrays& state)
    : faults_(program.groups.size() * sizeof(int64_t)) {
  const auto start = std::chrono::steady_clock::now();
  for (const KernelGroup& group : program.groups)
    kernels_.emplace_back(build_gpu_kernel(group, GpuMachine::ptx, program.target));
  compile_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const Tensor& tensor : program.normal.tensors()) {
    if (tensor.role() == Role::definition) continue;
    const auto given = inputs.find(tensor.name());
    memory(tensor).write(
        (given != inputs.end() ? given->second : state.at(tensor.name())).data.data());
  }
  for (const KernelGroup& group : program.groups) {
    std::vector<CudaDriver::Pointer>& places = arguments_.emplace_back();
    for (const std::vector<Tensor>* tensors : {&group.inputs, &group.outputs})
      for (const Tensor& tensor : *tensors) places.push_back(memory(tensor).place());
  }
  faults_.fill(0);
}

// What is written starts as garbage, so that an element that nobody writes shows.
GpuMemory& GpuRun::memory(const Tensor& tensor) {
  const auto found = memory_.find(tensor);
  if (found != memory_.end()) return found->second;
  GpuMemory& made = memory_.emplace(tensor, GpuMemory(bytes_of(tensor))).first->second;
  made.fill(0x5b);
  return made;
}

void GpuRun::start() const {
  for (size_t i = 0; i < kernels_.size(); ++i)
    kernels_[i].run(arguments_[i], faults_.place() + i * sizeof(int64_t));
}

void GpuRun::finish() {
  std::vector<int64_t> faults(kernels_.size());
  faults_.read(faults.data());
  for (size_t i = 0; i < kernels_.size(); ++i)
    if (faults[i] != 0) throw UserError(describe_fault(kernels_[i].kernel().faults, faults[i]));
}

Array GpuRun::read(const Tensor& tensor) const {
  Array array = make_array(tensor.type(), extents(tensor.dims()));
  memory_.at(tensor).read(array.data.data());
  return array;
}

Array GpuRun::output(const Output& output) const {
  return in_order(read(output.value), output.value.dims(), output.order);
}

Array GpuRun::updated(const Update& update) const {
  return in_order(read(update.value), update.value.dims(), update.target.dims());
}

int GpuRun::launches() const {
  int count = 0;
  for (const LoadedGpuKernel& kernel : kernels_)
    for (const GpuLaunch& launch : kernel.kernel().launches) count += launch.blocks > 0 ? 1 : 0;
  return count;
}

}  // namespace tessera
