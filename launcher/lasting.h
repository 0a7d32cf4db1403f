#pragma once

#include <chrono>

namespace tessera {

// For how long something has been seen to hold without a break: ask it again and again.
class Lasting {
 public:
  double seconds(bool holds) {
    const auto now = std::chrono::steady_clock::now();
    if (!holds || !held_) since_ = now;
    held_ = holds;
    return std::chrono::duration<double>(now - since_).count();
  }

 private:
  bool held_ = false;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace tessera
