#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace tessera {

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  if (state_->xxh == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_->xxh);
}

Hasher::~Hasher() = default;

void Hasher::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_->xxh, bytes.data(), bytes.size());
}

uint64_t Hasher::value() const {
  return XXH3_64bits_digest(state_->xxh);
}

std::string hex(uint64_t value) {
  return fmt::format("{:016x}", value);
}

}  // namespace tessera
