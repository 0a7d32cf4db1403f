#include "codegen/partial_path.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

namespace tessera {

std::string partial_path(const std::string& path) {
  static std::atomic<int> serial{0};
  return fmt::format("{}.{}.{}", path, getpid(), serial++);
}

}  // namespace tessera
