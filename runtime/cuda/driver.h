#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera {

// NVIDIA's driver, looked up in libcuda.so.1 when it is first needed, so that nothing is needed to
// build or to start Tessera where there is none. The names and types are those of the CUDA driver
// API; handles are opaque.
struct CudaDriver {
  using Result = int;
  using Handle = void*;
  using Pointer = uint64_t;

  Result (*init)(unsigned flags);
  Result (*get_error)(Result result, const char** text);
  Result (*device_count)(int* count);
  Result (*device)(int* device, int number);
  Result (*device_name)(char* name, int size, int device);
  Result (*device_attribute)(int* value, int attribute, int device);
  Result (*retain_context)(Handle* context, int device);
  Result (*release_context)(int device);
  Result (*set_context)(Handle context);
  Result (*synchronize)();
  Result (*load_module)(Handle* module, const void* image, unsigned count, int* options,
                        void** values);
  Result (*unload_module)(Handle module);
  Result (*function)(Handle* function, Handle module, const char* name);
  Result (*allocate)(Pointer* memory, size_t bytes);
  Result (*free)(Pointer memory);
  Result (*to_device)(Pointer to, const void* from, size_t bytes);
  Result (*to_host)(void* to, Pointer from, size_t bytes);
  Result (*copy)(Pointer to, Pointer from, size_t bytes);
  Result (*fill_bytes)(Pointer memory, unsigned char value, size_t bytes);
  Result (*launch)(Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                   Handle stream, void** arguments, void** extra);
  Result (*make_event)(Handle* event, unsigned flags);
  Result (*destroy_event)(Handle event);
  Result (*record_event)(Handle event, Handle stream);
  Result (*wait_for_event)(Handle event);
  Result (*milliseconds)(float* milliseconds, Handle begin, Handle end);

  // Throws DeviceError with the driver's words and `what` was being done.
  void check(Result result, const std::string& what) const;
};

// Throws DeviceError where there is no driver, or one that lacks a function, and says what to
// install.
const CudaDriver& cuda_driver();

}  // namespace tessera
