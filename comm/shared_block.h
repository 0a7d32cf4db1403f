#pragma once

#include <cstddef>

namespace tessera {

// Zero-filled memory of one rank in which the other ranks of its machine read and write what it
// gives to collectives, where it lies (Communicator::share). It goes with this object.
class SharedBlock {
 public:
  virtual ~SharedBlock() = default;
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  std::byte* data() const { return data_; }  // aligned to a page

 protected:
  explicit SharedBlock(std::byte* data) : data_(data) {}

 private:
  std::byte* const data_;
};

}  // namespace tessera
