#include "codegen/gpu/gpu_kernel_cache.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "codegen/kernel_key.h"
#include "codegen/llvm/gpu/ptx.h"
#include "codegen/llvm/jit.h"
#include "codegen_version.h"

namespace tessera {
namespace {

// A line for each launch and its schedule, one for the workspaces, then the code.
CompiledObject object_of(const GpuKernel& kernel) {
  CompiledObject object;
  for (const std::string& fault : kernel.faults) object.faults += fault + "\n";
  std::string& text = object.object;
  text = std::to_string(kernel.launches.size()) + "\n";
  for (const GpuLaunch& launch : kernel.launches)
    text += fmt::format("{} {} {} {} {}\n{}\n", launch.symbol, launch.blocks, launch.threads,
                        launch.arguments.size(), fmt::join(launch.arguments, " "), launch.schedule);
  text += fmt::format("{} {}\n", kernel.workspaces.size(), fmt::join(kernel.workspaces, " "));
  text += kernel.code;
  return object;
}

template <typename Number>
std::vector<Number> numbers_from(std::istream& stream) {
  size_t count = 0;
  stream >> count;
  std::vector<Number> numbers(stream ? count : 0);
  for (Number& number : numbers) stream >> number;
  stream.ignore();
  if (numbers.empty() && stream.peek() == '\n') stream.ignore();
  return numbers;
}

GpuKernel kernel_of(const CompiledObject& object) {
  GpuKernel kernel;
  std::istringstream faults(object.faults);
  for (std::string line; std::getline(faults, line);) kernel.faults.push_back(line);
  std::istringstream stream(object.object);
  size_t launches = 0;
  stream >> launches;
  for (size_t i = 0; i < launches && stream; ++i) {
    GpuLaunch& launch = kernel.launches.emplace_back();
    stream >> launch.symbol >> launch.blocks >> launch.threads;
    launch.arguments = numbers_from<int>(stream);
    std::getline(stream, launch.schedule);
  }
  kernel.workspaces = numbers_from<int64_t>(stream);
  kernel.code = object.object.substr(static_cast<size_t>(stream.tellg()));
  return kernel;
}

// Kernels may have functions of that file in them.
std::string libdevice_text() {
  std::error_code none;
  const std::string path = libdevice_path();
  const auto bytes = std::filesystem::file_size(path, none);
  return none ? "without libdevice" : fmt::format("{} of {} bytes", path, bytes);
}

}  // namespace

std::string GpuKernelCache::key_of(const KernelGroup& group) const {
  const std::string text = fmt::format("{}\n{}\n{} {} {} {}\n", TESSERA_CODEGEN_VERSION,
                                       code_target(CpuLevel::host).text(), libdevice_text(),
                                       machine_ == GpuMachine::ptx ? "ptx" : "simulated",
                                       target_.arch, target_.multiprocessors);
  return "gpu-" + key_of_text(text + key_text(group));
}

GpuKernel GpuKernelCache::obtain(const KernelGroup& group) {
  const std::string key = key_of(group);
  bool damaged = false;
  if (const std::optional<CompiledObject> found = objects_.read(key, damaged)) {
    GpuKernel kernel = kernel_of(*found);
    kernel.name = name_of(group);
    return kernel;
  }
  GpuKernel made = build_gpu_kernel(group, machine_, target_);
  objects_.write(key, object_of(made));
  ++built_;
  return made;
}

}  // namespace tessera
