#include "ir/random.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/hash.h"
#include "ir/element.h"
#include "ir/fans.h"

namespace tessera {
namespace {

// How one element follows from its counter.
struct Distribution {
  Initializer::Kind kind;
  double a;
  double b;
};

Distribution distribution_of(const Initializer& settled) {
  if (settled.kind == Initializer::Kind::glorot) {
    const double limit = std::sqrt(6 / (settled.a + settled.b));
    return {Initializer::Kind::uniform, -limit, limit};
  }
  if (settled.kind == Initializer::Kind::he)
    return {Initializer::Kind::normal, 0, std::sqrt(2 / settled.a)};
  return {settled.kind, settled.a, settled.b};
}

double draw(const Distribution& from, uint64_t seed, uint64_t stream, uint64_t counter) {
  if (from.kind == Initializer::Kind::normal)
    return from.a + from.b * normal_value(seed, stream, counter);
  if (from.kind == Initializer::Kind::uniform)
    return from.a + (from.b - from.a) * uniform_value(seed, stream, counter);
  return from.a;
}

}  // namespace

double uniform_value(uint64_t seed, uint64_t stream, uint64_t counter) {
  return (philox(seed, stream, counter).word[0] >> 8) * 0x1p-24;
}

double normal_value(uint64_t seed, uint64_t stream, uint64_t counter) {
  const RandomBits bits = philox(seed, stream, counter);
  const double u = (static_cast<double>(bits.word[0]) + 0.5) * 0x1p-32;
  const double v = static_cast<double>(bits.word[1]) * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

namespace {

Array drawn(const Initializer& first, const Tensor& tensor, uint64_t seed, const Box& box) {
  TESSERA_CHECK(box.begin.size() == tensor.dims().size());
  Array array = make_array(tensor.type(), shape(box));
  const Distribution from = distribution_of(first);
  const uint64_t stream = hash_bytes(tensor.name());
  std::vector<int64_t> at = box.begin;
  for (size_t i = 0; i < array.size(); ++i) {
    uint64_t counter = 0;
    for (size_t d = 0; d < at.size(); ++d)
      counter =
          counter * static_cast<uint64_t>(tensor.dims()[d].extent()) + static_cast<uint64_t>(at[d]);
    store(array, i, Scalar::of_number(array.type, draw(from, seed, stream, counter)));
    for (size_t d = at.size(); d-- > 0;) {
      if (++at[d] < box.end[d]) break;
      at[d] = box.begin[d];
    }
  }
  return array;
}

}  // namespace

Array initial_values(const Program& program, const Tensor& tensor, uint64_t seed, const Box& box) {
  const Initializer& first = tensor.initializer();
  return drawn(derives_fans(first) ? FanFinder(program).settled(tensor) : first, tensor, seed, box);
}

std::map<std::string, Array> initial_state(const Program& program, uint64_t seed) {
  const FanFinder fans(program);
  std::map<std::string, Array> state;
  for (const Role role : {Role::parameter, Role::state})
    for (const Tensor& tensor : program.with_role(role))
      state[tensor.name()] = drawn(fans.settled(tensor), tensor, seed, whole(tensor.dims()));
  return state;
}

}  // namespace tessera
