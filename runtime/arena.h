#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tessera {

// One zero-filled block of memory, aligned to a page, backed by huge pages where the system gives
// them. Throws DeviceError when there is not that much.
class Arena {
 public:
  explicit Arena(size_t bytes);
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  std::byte* at(size_t offset) const { return data_ + offset; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tessera
