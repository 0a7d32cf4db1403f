#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace tessera {

// The first failure of a world and of all groups split from it. Thread-safe. Transports whose
// ranks do not share this object derive from it to carry the text to the others.
class FailureRecord {
 public:
  virtual ~FailureRecord() = default;

  // Keeps the first text and tells the other ranks.
  void report(const std::string& text);
  // Keeps the first text; the other ranks know already.
  void keep(const std::string& text);

  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // Like failed(), but asks first whether another rank sent news.
  bool look();
  std::string text() const;

 protected:
  virtual void announce(const std::string&) {}
  virtual void poll() {}

 private:
  bool set(const std::string& text);

  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace tessera
