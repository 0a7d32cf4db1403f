#include "comm/nccl/nccl_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace tessera {
namespace {

constexpr const char* kLibrary = "libnccl.so.2";

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr)
    throw DeviceError(std::string(kLibrary) + " has no " + name + "; NCCL 2.14 or later is needed");
}

NcclLibrary load() {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw DeviceError("there is no NCCL: " + std::string(why != nullptr ? why : kLibrary) +
                      "; install libnccl2, or choose `cluster.collectives: staged`");
  }
  NcclLibrary nccl{};
  find(library, "ncclGetVersion", nccl.version);
  find(library, "ncclGetErrorString", nccl.error_text);
  find(library, "ncclGetUniqueId", nccl.unique_id);
  find(library, "ncclCommInitRankConfig", nccl.init);
  find(library, "ncclCommDestroy", nccl.destroy);
  find(library, "ncclCommAbort", nccl.abort);
  find(library, "ncclCommGetAsyncError", nccl.async_error);
  find(library, "ncclGroupStart", nccl.group_start);
  find(library, "ncclGroupEnd", nccl.group_end);
  find(library, "ncclAllReduce", nccl.all_reduce);
  find(library, "ncclReduce", nccl.reduce);
  find(library, "ncclBroadcast", nccl.broadcast);
  find(library, "ncclAllGather", nccl.all_gather);
  find(library, "ncclReduceScatter", nccl.reduce_scatter);
  find(library, "ncclSend", nccl.send);
  find(library, "ncclRecv", nccl.recv);
  return nccl;
}

}  // namespace

const NcclLibrary& nccl_library() {
  static const NcclLibrary nccl = load();
  return nccl;
}

}  // namespace tessera
