// Our declarations of the driver's functions beside those of cuda.h, where it is found.
#include <gtest/gtest.h>

#include <cstddef>

#include "base/error.h"
#include "runtime/cuda/gpu_device.h"
#include "tests/base/same_arguments.h"

#if __has_include(<cuda.h>)
#include <cuda.h>
#endif

namespace tessera {
namespace {

// Where there is no driver, the error says what is missing and what to do.
TEST(CudaDriver, SaysWhatIsMissing) {
  try {
    EXPECT_GE(count_gpus(), 0);
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("driver"), std::string::npos) << error.what();
  }
}

#if __has_include(<cuda.h>)
#define EXPECT_DECLARED(member, function)                                                \
  static_assert(SameArguments<decltype(CudaDriver::member), decltype(&function)>::value, \
                #function " is declared otherwise in cuda.h")

EXPECT_DECLARED(init, cuInit);
EXPECT_DECLARED(get_error, cuGetErrorString);
EXPECT_DECLARED(version, cuDriverGetVersion);
EXPECT_DECLARED(device_count, cuDeviceGetCount);
EXPECT_DECLARED(device, cuDeviceGet);
EXPECT_DECLARED(device_name, cuDeviceGetName);
EXPECT_DECLARED(device_attribute, cuDeviceGetAttribute);
EXPECT_DECLARED(retain_context, cuDevicePrimaryCtxRetain);
EXPECT_DECLARED(release_context, cuDevicePrimaryCtxRelease);
EXPECT_DECLARED(set_context, cuCtxSetCurrent);
EXPECT_DECLARED(memory_info, cuMemGetInfo);
EXPECT_DECLARED(synchronize, cuCtxSynchronize);
EXPECT_DECLARED(load_module, cuModuleLoadDataEx);
EXPECT_DECLARED(unload_module, cuModuleUnload);
EXPECT_DECLARED(function, cuModuleGetFunction);
EXPECT_DECLARED(allocate, cuMemAlloc);
EXPECT_DECLARED(free, cuMemFree);
EXPECT_DECLARED(to_device, cuMemcpyHtoD);
EXPECT_DECLARED(to_host, cuMemcpyDtoH);
EXPECT_DECLARED(copy, cuMemcpyDtoD);
EXPECT_DECLARED(fill_bytes, cuMemsetD8);
EXPECT_DECLARED(launch, cuLaunchKernel);
EXPECT_DECLARED(allocate_on_host, cuMemHostAlloc);
EXPECT_DECLARED(free_on_host, cuMemFreeHost);
EXPECT_DECLARED(to_device_in, cuMemcpyHtoDAsync);
EXPECT_DECLARED(to_host_in, cuMemcpyDtoHAsync);
EXPECT_DECLARED(copy_in, cuMemcpyDtoDAsync);
EXPECT_DECLARED(copy_rows_in, cuMemcpy2DAsync);
EXPECT_DECLARED(fill_words_in, cuMemsetD32Async);
EXPECT_DECLARED(make_stream, cuStreamCreate);
EXPECT_DECLARED(destroy_stream, cuStreamDestroy);
EXPECT_DECLARED(wait_for_stream, cuStreamSynchronize);
EXPECT_DECLARED(ask_stream, cuStreamQuery);
EXPECT_DECLARED(let_stream_wait, cuStreamWaitEvent);
EXPECT_DECLARED(make_event, cuEventCreate);
EXPECT_DECLARED(destroy_event, cuEventDestroy);
EXPECT_DECLARED(record_event, cuEventRecord);
EXPECT_DECLARED(wait_for_event, cuEventSynchronize);
EXPECT_DECLARED(milliseconds, cuEventElapsedTime);

static_assert(sizeof(CudaRows) == sizeof(CUDA_MEMCPY2D));
static_assert(offsetof(CudaRows, from) == offsetof(CUDA_MEMCPY2D, srcDevice));
static_assert(offsetof(CudaRows, from_step) == offsetof(CUDA_MEMCPY2D, srcPitch));
static_assert(offsetof(CudaRows, to) == offsetof(CUDA_MEMCPY2D, dstDevice));
static_assert(offsetof(CudaRows, to_step) == offsetof(CUDA_MEMCPY2D, dstPitch));
static_assert(offsetof(CudaRows, bytes) == offsetof(CUDA_MEMCPY2D, WidthInBytes));
static_assert(CudaRows::kOnDevice == CU_MEMORYTYPE_DEVICE);
#endif

}  // namespace
}  // namespace tessera
