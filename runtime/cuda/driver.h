#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera {

// CUDA_MEMCPY2D: rows of one block of memory to rows of another.
struct CudaRows {
  size_t from_x = 0, from_y = 0;
  int from_kind = kOnDevice;
  const void* from_host = nullptr;
  uint64_t from = 0;
  void* from_array = nullptr;
  size_t from_step = 0;
  size_t to_x = 0, to_y = 0;
  int to_kind = kOnDevice;
  void* to_host = nullptr;
  uint64_t to = 0;
  void* to_array = nullptr;
  size_t to_step = 0;
  size_t bytes = 0, rows = 0;

  static constexpr int kOnDevice = 2;  // CU_MEMORYTYPE_DEVICE
};

// NVIDIA's driver, looked up in libcuda.so.1 when it is first needed, so that nothing is needed to
// build or to start Tessera where there is none. The names and types are those of the CUDA driver
// API; handles are opaque.
struct CudaDriver {
  using Result = int;
  using Handle = void*;
  using Pointer = uint64_t;

  Result (*init)(unsigned flags);
  Result (*get_error)(Result result, const char** text);
  Result (*version)(int* version);
  Result (*device_count)(int* count);
  Result (*device)(int* device, int number);
  Result (*device_name)(char* name, int size, int device);
  Result (*device_attribute)(int* value, int attribute, int device);
  Result (*retain_context)(Handle* context, int device);
  Result (*release_context)(int device);
  Result (*set_context)(Handle context);
  Result (*memory_info)(size_t* available, size_t* total);
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
  Result (*allocate_on_host)(void** memory, size_t bytes, unsigned flags);
  Result (*free_on_host)(void* memory);
  Result (*to_device_in)(Pointer to, const void* from, size_t bytes, Handle stream);
  Result (*to_host_in)(void* to, Pointer from, size_t bytes, Handle stream);
  Result (*copy_in)(Pointer to, Pointer from, size_t bytes, Handle stream);
  Result (*copy_rows_in)(const CudaRows* rows, Handle stream);
  Result (*fill_words_in)(Pointer memory, unsigned value, size_t words, Handle stream);
  Result (*make_stream)(Handle* stream, unsigned flags);
  Result (*destroy_stream)(Handle stream);
  Result (*wait_for_stream)(Handle stream);
  Result (*ask_stream)(Handle stream);
  Result (*let_stream_wait)(Handle stream, Handle event, unsigned flags);
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
