#include "base/host_caches.h"

#include <unistd.h>

#include <fstream>
#include <string>

namespace tessera {

int64_t data_cache_bytes(int level, int64_t otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    std::ifstream level_file(folder + "/level"), type_file(folder + "/type");
    int found = 0;
    std::string type;
    if (!(level_file >> found)) break;
    type_file >> type;
    if (found != level || type == "Instruction") continue;
    std::ifstream size_file(folder + "/size");
    int64_t kilobytes = 0;
    if (size_file >> kilobytes && kilobytes > 0) return kilobytes << 10;
  }
#ifdef _SC_LEVEL1_DCACHE_SIZE
  const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
  const int64_t bytes = sysconf(names[level - 1]);
  if (bytes > 0) return bytes;
#endif
  return otherwise;
}

}  // namespace tessera
