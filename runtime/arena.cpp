#include "runtime/arena.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "base/error.h"

namespace tessera {

Arena::Arena(size_t bytes, std::unique_ptr<SharedBlock> shared)
    : bytes_(bytes), shared_(std::move(shared)) {
  if (shared_) data_ = shared_->data();
  if (bytes == 0 || shared_) return;
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED)
    throw DeviceError("the step needs " + std::to_string(bytes >> 20) +
                      " MiB for its buffers and the system refuses them (" + std::strerror(errno) +
                      "); use more ranks or a smaller batch");
  madvise(block, bytes, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(block);
}

Arena::~Arena() {
  if (data_ != nullptr && !shared_) munmap(data_, bytes_);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      shared_(std::move(other.shared_)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(shared_, other.shared_);
  return *this;
}

}  // namespace tessera
