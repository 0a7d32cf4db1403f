#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "comm/shared_block.h"

namespace tessera {

// One zero-filled block of memory, aligned to a page, backed by huge pages where the system gives
// them. Throws DeviceError when there is not that much. It takes `shared`, which has as many bytes,
// where there is one (Communicator::share): collectives then need no copies of what lies there.
class Arena {
 public:
  explicit Arena(size_t bytes, std::unique_ptr<SharedBlock> shared = nullptr);
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  std::byte* at(size_t offset) const { return data_ + offset; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  std::unique_ptr<SharedBlock> shared_;
};

}  // namespace tessera
