#include "runtime/device/gpu_kernels.h"

#include <tbb/parallel_for.h>

#include <cstdint>

#include "base/error.h"

namespace tessera {
namespace {

constexpr size_t kAlignment = 256;  // within scratch
constexpr size_t kNone = SIZE_MAX;

size_t take(size_t& end, size_t bytes) {
  const size_t at = end;
  end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return at;
}

std::unique_ptr<GpuDeviceKernel> kernel_of(const KernelSource& source) {
  auto kernel = std::make_unique<GpuDeviceKernel>();
  const KernelGroup& group = source.group;
  kernel->arguments = group.inputs;
  kernel->arguments.insert(kernel->arguments.end(), group.outputs.begin(), group.outputs.end());
  kernel->inputs = group.inputs.size();
  for (size_t i = 0; i < kernel->arguments.size(); ++i) {
    const Tensor& tensor = kernel->arguments[i];
    kernel->bytes.push_back(static_cast<size_t>(volume(tensor.dims())) * size_of(tensor.type()));
    kernel->copies.push_back(
        source.loose[i] != 0 ? take(kernel->scratch_bytes, kernel->bytes.back()) : kNone);
  }
  return kernel;
}

}  // namespace

std::vector<std::unique_ptr<DeviceKernel>> GpuKernelBuilder::build(
    const std::vector<KernelSource>& sources) {
  std::vector<std::string> keys;
  std::vector<size_t> missing;  // the first of each key that is not built
  std::map<std::string, size_t> first;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < sources.size(); ++i) {
      keys.push_back(canonical_text(sources[i].group));
      if (built_.count(keys[i]) == 0 && first.emplace(keys[i], i).second) missing.push_back(i);
    }
  }
  std::vector<std::shared_ptr<const GpuKernel>> made(missing.size());
  const auto make = [&](const KernelGroup& group) {
    return std::make_shared<const GpuKernel>(cache_.obtain(group));
  };
  tbb::parallel_for(size_t{0}, missing.size(),
                    [&](size_t i) { made[i] = make(sources[missing[i]].group); });
  std::vector<std::unique_ptr<DeviceKernel>> kernels;
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < missing.size(); ++i)
    built_.try_emplace(keys[missing[i]], Built{made[i], load_(*made[i])});
  for (size_t i = 0; i < sources.size(); ++i) {
    Built built = built_.at(keys[i]);
    // What a fault says has names in it, and like groups have others.
    const auto builder = first.find(keys[i]);
    const bool own = builder != first.end() && builder->second == i;
    if (!built.code->faults.empty() && !own) {
      built.code = make(sources[i].group);
      built.loaded = load_(*built.code);
    }
    std::unique_ptr<GpuDeviceKernel> kernel = kernel_of(sources[i]);
    kernel->code = built.code;
    kernel->loaded = built.loaded;
    kernel->faults = built.code->faults;
    for (const int64_t bytes : built.code->workspaces)
      kernel->workspaces.push_back(take(kernel->scratch_bytes, static_cast<size_t>(bytes)));
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

void start_launches(DeviceStream& stream, const GpuDeviceKernel& kernel,
                    std::byte* const* arguments, std::byte* scratch, std::byte* fault,
                    const StartLaunch& start) {
  std::vector<std::byte*> places(arguments, arguments + kernel.bytes.size());
  std::vector<size_t> copied;
  for (size_t i = 0; i < places.size(); ++i) {
    if (reinterpret_cast<uintptr_t>(places[i]) % kGpuVectorBytes == 0) continue;
    TESSERA_CHECK(kernel.copies[i] != kNone)
        << kernel.arguments[i].name() << " does not lie where it was said to";
    places[i] = scratch + kernel.copies[i];
    copied.push_back(i);
    if (i < kernel.inputs) stream.copy(places[i], arguments[i], kernel.bytes[i]);
  }
  for (const size_t offset : kernel.workspaces) places.push_back(scratch + offset);
  for (const GpuLaunch& launch : kernel.code->launches) {
    if (launch.blocks == 0) continue;
    std::vector<std::byte*> pointers;
    for (const int argument : launch.arguments)
      pointers.push_back(places[static_cast<size_t>(argument)]);
    pointers.push_back(fault);
    start(launch, pointers);
  }
  for (const size_t i : copied)
    if (i >= kernel.inputs) stream.copy(arguments[i], places[i], kernel.bytes[i]);
}

}  // namespace tessera
