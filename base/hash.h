#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

// 64-bit XXH3 of the bytes: the same on every machine and in every run.
uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0);

// The same for bytes that come in pieces: hash_bytes of all that was added.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void add(std::span<const std::byte> bytes);
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Sixteen lower-case hexadecimal digits.
std::string hex(uint64_t value);

}  // namespace tessera
