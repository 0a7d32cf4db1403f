#include "comm/stream_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/host_caches.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace tessera {

bool past_caches(size_t bytes, int ranks) {
  // The last cache also holds what is read, and what kernels need next.
  constexpr int64_t kShare = 4, kUsual = int64_t{32} << 20;
  static const size_t kept = static_cast<size_t>(data_cache_bytes(3, kUsual) / kShare);
  return bytes > kept / static_cast<size_t>(ranks);
}

void copy_on(void* to, const void* from, size_t bytes, bool past) {
  if (bytes == 0 || to == from) return;
#ifdef __SSE2__
  constexpr size_t kLine = 64;
  if (past && bytes >= 4 * kLine) {
    auto* out = static_cast<unsigned char*>(to);
    const auto* in = static_cast<const unsigned char*>(from);
    const size_t head = (kLine - reinterpret_cast<uintptr_t>(out) % kLine) % kLine;
    std::memcpy(out, in, head);
    size_t at = head;
    for (; at + kLine <= bytes; at += kLine)
      for (size_t part = 0; part < kLine; part += sizeof(__m128i))
        _mm_stream_si128(reinterpret_cast<__m128i*>(out + at + part),
                         _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + at + part)));
    std::memcpy(out + at, in + at, bytes - at);
    return;
  }
#endif
  std::memcpy(to, from, bytes);
}

void end_of_copies() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace tessera
