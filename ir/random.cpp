#include "ir/random.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/hash.h"
#include "ir/element.h"
#include "ir/sequence.h"
#include "ir/structure.h"

namespace tessera {
namespace {

struct Fans {
  double in = 1;
  double out = 1;
};

// The dims of `parameter` that some definition sums away while it reads them plainly.
Fans fans_of(const Program& program, const Tensor& parameter) {
  Dims summed;
  for (const Tensor& definition : computed_tensors(program)) {
    for (const Expr& node : subexpressions(definition.value())) {
      const Reduce* reduce = as<Reduce>(node);
      if (reduce == nullptr || reduce->op != Reduction::sum) continue;
      for (const Tensor& read : tensors_read(reduce->body))
        if (read == parameter) summed = unite(summed, intersect(reduce->dims, parameter.dims()));
    }
  }
  Fans fans;
  for (const Dim& dim : parameter.dims())
    (contains(summed, dim) ? fans.in : fans.out) *= static_cast<double>(dim.extent());
  return fans;
}

// How one element follows from its counter.
struct Distribution {
  Initializer::Kind kind;
  double a;
  double b;
};

Distribution distribution_of(const Program& program, const Tensor& tensor) {
  const Initializer& init = tensor.initializer();
  if (init.kind == Initializer::Kind::glorot) {
    const Fans fans = fans_of(program, tensor);
    const double limit = std::sqrt(6 / (fans.in + fans.out));
    return {Initializer::Kind::uniform, -limit, limit};
  }
  if (init.kind == Initializer::Kind::he)
    return {Initializer::Kind::normal, 0, std::sqrt(2 / fans_of(program, tensor).in)};
  return {init.kind, init.a, init.b};
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

Array initial_values(const Program& program, const Tensor& tensor, uint64_t seed, const Box& box) {
  TESSERA_CHECK(box.begin.size() == tensor.dims().size());
  Array array = make_array(tensor.type(), shape(box));
  const Distribution from = distribution_of(program, tensor);
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

std::map<std::string, Array> initial_state(const Program& program, uint64_t seed) {
  std::map<std::string, Array> state;
  for (const Role role : {Role::parameter, Role::state})
    for (const Tensor& tensor : program.with_role(role))
      state[tensor.name()] = initial_values(program, tensor, seed, whole(tensor.dims()));
  return state;
}

}  // namespace tessera
