#pragma once

#include <cstddef>
#include <string>

namespace tessera {

// NVIDIA's library of collectives, looked up in libnccl.so.2 when it is first needed, so that
// nothing of it is needed to build or to start Tessera. Names and types are those of nccl.h, of
// version 2.14 or later; a test compares them with that file where it is found.
struct NcclLibrary {
  using Result = int;
  using Comm = void*;
  using Stream = void*;
  struct UniqueId {
    char internal[128];
  };
  // ncclConfig_t of version 2.14, which later ones read.
  struct Config {
    size_t size = sizeof(Config);
    unsigned magic = 0xcafebeef;
    unsigned version = 21400;
    int blocking = 0;  // calls return while they are in progress
  };

  static constexpr Result kSuccess = 0;
  static constexpr Result kInProgress = 7;
  enum Type { i8 = 0, u8 = 1, i32 = 2, i64 = 4, f16 = 6, f32 = 7, f64 = 8, bf16 = 9 };
  enum Op { sum = 0, prod = 1, max = 2, min = 3 };

  Result (*version)(int* version);
  const char* (*error_text)(Result result);
  Result (*unique_id)(UniqueId* id);
  Result (*init)(Comm* comm, int ranks, UniqueId id, int rank, Config* config);
  Result (*destroy)(Comm comm);
  Result (*abort)(Comm comm);
  Result (*async_error)(Comm comm, Result* error);
  Result (*group_start)();
  Result (*group_end)();
  Result (*all_reduce)(const void* send, void* recv, size_t count, int type, int op, Comm comm,
                       Stream stream);
  Result (*reduce)(const void* send, void* recv, size_t count, int type, int op, int root,
                   Comm comm, Stream stream);
  Result (*broadcast)(const void* send, void* recv, size_t count, int type, int root, Comm comm,
                      Stream stream);
  Result (*all_gather)(const void* send, void* recv, size_t send_count, int type, Comm comm,
                       Stream stream);
  Result (*reduce_scatter)(const void* send, void* recv, size_t recv_count, int type, int op,
                           Comm comm, Stream stream);
  Result (*send)(const void* data, size_t count, int type, int peer, Comm comm, Stream stream);
  Result (*recv)(void* data, size_t count, int type, int peer, Comm comm, Stream stream);
};

// Throws DeviceError that says what to install where there is no such library.
const NcclLibrary& nccl_library();

}  // namespace tessera
