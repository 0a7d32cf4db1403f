#pragma once

#include <cstdint>

namespace tessera {

// Bytes of a level of data cache of this host, as far as one processor uses it: asked of the
// kernel's files, then of the C library, which counts what no core of this host reaches where hosts
// are shared; `otherwise` where neither says anything. Reads files: keep what it returns.
//
//   data_cache_bytes(3, 8 << 20)      // 37,539,020 on a server, 8 MiB in a sandbox without /sys
int64_t data_cache_bytes(int level, int64_t otherwise);

}  // namespace tessera
