#pragma once

namespace tessera {

// Sets a flag for as long as it lives.
class Flagged {
 public:
  Flagged(bool& flag, bool value) : flag_(flag), before_(flag) { flag_ = value; }
  ~Flagged() { flag_ = before_; }
  Flagged(const Flagged&) = delete;
  Flagged& operator=(const Flagged&) = delete;

 private:
  bool& flag_;
  const bool before_;
};

}  // namespace tessera
