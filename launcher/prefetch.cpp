#include "launcher/prefetch.h"

#include <utility>

#include "base/error.h"

namespace tessera {

Prefetcher::Prefetcher(Plan plan, Fill fill)
    : plan_(std::move(plan)), fill_(std::move(fill)), filled_(plan_.first), taken_(plan_.first) {
  TESSERA_CHECK(plan_.depth >= 2) << plan_.depth;
  slots_.resize(static_cast<size_t>(plan_.depth));
  for (Buffers& slot : slots_)
    for (const size_t size : plan_.sizes) slot.emplace_back(size);
  thread_ = std::thread([this] { run(); });
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Prefetcher::run() {
  for (int64_t step = plan_.first; step < plan_.end; ++step) {
    {
      // The slot of the step that was taken last is still in use.
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || step < taken_ - 1 + plan_.depth; });
      if (stopping_) return;
    }
    std::exception_ptr error;
    try {
      fill_(step, slots_[static_cast<size_t>(step % plan_.depth)]);
    } catch (...) {
      error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      error_ = error;
      filled_ = step + 1;
    }
    changed_.notify_all();
    if (error) return;
  }
}

const Prefetcher::Buffers& Prefetcher::take(int64_t step) {
  std::unique_lock lock(mutex_);
  TESSERA_CHECK(step == taken_ && step < plan_.end)
      << "step " << step << " after " << taken_ << ", of " << plan_.end;
  ++taken_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return filled_ > step; });
  if (error_ && filled_ == step + 1) std::rethrow_exception(error_);
  return slots_[static_cast<size_t>(step % plan_.depth)];
}

}  // namespace tessera
