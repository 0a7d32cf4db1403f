#include "comm/activity.h"

namespace tessera {

void Activity::clear_work() {
  const std::lock_guard lock(mutex_);  // waits for a reader
  work_.store(nullptr);
}

void Activity::begin(const CallInfo& info) {
  const std::lock_guard lock(mutex_);
  calls_ = called_ = true;
  call_ = info.call;
  context_ = *info.context;
}

void Activity::end() {
  const std::lock_guard lock(mutex_);
  calls_ = false;
}

std::string Activity::text() const {
  const std::lock_guard lock(mutex_);
  const std::string* work = work_.load(std::memory_order_acquire);
  std::string text = work != nullptr ? *work : "";
  if (!calls_ && (work != nullptr || !called_)) return text;
  if (!text.empty()) text += "; ";
  if (!calls_) text += "after ";
  text += describe(call_);
  if (!context_.empty()) text += " during `" + context_ + "`";
  return text;
}

}  // namespace tessera
