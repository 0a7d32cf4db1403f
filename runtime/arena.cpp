#include "runtime/arena.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "base/error.h"

namespace tessera {

Arena::Arena(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED)
    throw DeviceError("the step needs " + std::to_string(bytes >> 20) +
                      " MiB for its buffers and the system refuses them (" + std::strerror(errno) +
                      "); use more ranks or a smaller batch");
  madvise(block, bytes, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(block);
}

Arena::~Arena() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace tessera
