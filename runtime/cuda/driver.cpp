#include "runtime/cuda/driver.h"

#include <dlfcn.h>

#include "base/error.h"

namespace tessera {
namespace {

constexpr const char* kLibrary = "libcuda.so.1";

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr)
    throw DeviceError(std::string(kLibrary) + " has no " + name +
                      "; a driver for CUDA 12 or later is needed");
}

CudaDriver load_driver() {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw DeviceError("there is no NVIDIA driver: " + std::string(why != nullptr ? why : kLibrary) +
                      "; install the driver of the GPU, or run on a machine that has one");
  }
  CudaDriver driver{};
  find(library, "cuInit", driver.init);
  find(library, "cuGetErrorString", driver.get_error);
  find(library, "cuDriverGetVersion", driver.version);
  find(library, "cuDeviceGetCount", driver.device_count);
  find(library, "cuDeviceGet", driver.device);
  find(library, "cuDeviceGetName", driver.device_name);
  find(library, "cuDeviceGetAttribute", driver.device_attribute);
  find(library, "cuDevicePrimaryCtxRetain", driver.retain_context);
  find(library, "cuDevicePrimaryCtxRelease_v2", driver.release_context);
  find(library, "cuCtxSetCurrent", driver.set_context);
  find(library, "cuMemGetInfo_v2", driver.memory_info);
  find(library, "cuCtxSynchronize", driver.synchronize);
  find(library, "cuModuleLoadDataEx", driver.load_module);
  find(library, "cuModuleUnload", driver.unload_module);
  find(library, "cuModuleGetFunction", driver.function);
  find(library, "cuMemAlloc_v2", driver.allocate);
  find(library, "cuMemFree_v2", driver.free);
  find(library, "cuMemcpyHtoD_v2", driver.to_device);
  find(library, "cuMemcpyDtoH_v2", driver.to_host);
  find(library, "cuMemcpyDtoD_v2", driver.copy);
  find(library, "cuMemsetD8_v2", driver.fill_bytes);
  find(library, "cuLaunchKernel", driver.launch);
  find(library, "cuMemHostAlloc", driver.allocate_on_host);
  find(library, "cuMemFreeHost", driver.free_on_host);
  find(library, "cuMemcpyHtoDAsync_v2", driver.to_device_in);
  find(library, "cuMemcpyDtoHAsync_v2", driver.to_host_in);
  find(library, "cuMemcpyDtoDAsync_v2", driver.copy_in);
  find(library, "cuMemcpy2DAsync_v2", driver.copy_rows_in);
  find(library, "cuMemsetD32Async", driver.fill_words_in);
  find(library, "cuStreamCreate", driver.make_stream);
  find(library, "cuStreamDestroy_v2", driver.destroy_stream);
  find(library, "cuStreamSynchronize", driver.wait_for_stream);
  find(library, "cuStreamQuery", driver.ask_stream);
  find(library, "cuStreamWaitEvent", driver.let_stream_wait);
  find(library, "cuEventCreate", driver.make_event);
  find(library, "cuEventDestroy_v2", driver.destroy_event);
  find(library, "cuEventRecord", driver.record_event);
  find(library, "cuEventSynchronize", driver.wait_for_event);
  find(library, "cuEventElapsedTime", driver.milliseconds);
  driver.check(driver.init(0), "starting the driver");
  return driver;
}

}  // namespace

void CudaDriver::check(Result result, const std::string& what) const {
  if (result == 0) return;
  const char* text = nullptr;
  get_error(result, &text);
  throw DeviceError(
      what + " on the GPU failed: " + (text != nullptr ? text : "error " + std::to_string(result)));
}

const CudaDriver& cuda_driver() {
  static const CudaDriver driver = load_driver();
  return driver;
}

}  // namespace tessera
