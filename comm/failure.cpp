#include "comm/failure.h"

namespace tessera {

bool FailureRecord::set(const std::string& text) {
  std::lock_guard lock(mutex_);
  if (failed()) return false;
  text_ = text;
  failed_.store(true, std::memory_order_release);
  return true;
}

void FailureRecord::report(const std::string& text) {
  if (set(text)) announce(text);
}

void FailureRecord::keep(const std::string& text) {
  set(text);
}

bool FailureRecord::look() {
  if (!failed()) poll();
  return failed();
}

std::string FailureRecord::text() const {
  std::lock_guard lock(mutex_);
  return text_;
}

}  // namespace tessera
