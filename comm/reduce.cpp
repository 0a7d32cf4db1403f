#include "comm/reduce.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/convert.h"
#include "base/error.h"

namespace tessera {
namespace {

// Integers are combined unsigned where overflow would be undefined.
template <typename T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>,
                                             std::type_identity<T>>::type;

struct Sum {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};

struct Prod {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};

// `a != a` holds for NaN only; a NaN in b fails `a > b` and is returned too.
struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    return (a > b || a != a) ? a : b;
  }
};

struct Min {
  template <typename T>
  T operator()(T a, T b) const {
    return (a < b || a != a) ? a : b;
  }
};

// 16-bit floats combine in f32 and are rounded after each step, as they are between ranks.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
float wide(Bf16 value) {
  return bf16_to_f32(value.bits);
}
float wide(F16 value) {
  return f16_to_f32(value.bits);
}
void round_to(Bf16& value, float from) {
  value.bits = f32_to_bf16(from);
}
void round_to(F16& value, float from) {
  value.bits = f32_to_f16(from);
}

// Each element is read before it is written, so `into` may be one of the two sources; the pragma
// tells the vectorizer that there is no other overlap.
template <typename T, typename Op>
void combine(T* into, const T* a, const T* b, size_t count, Op op) {
#ifdef __clang__
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
  for (size_t i = 0; i < count; ++i) {
    if constexpr (std::is_arithmetic_v<T>)
      into[i] = op(a[i], b[i]);
    else
      round_to(into[i], op(wide(a[i]), wide(b[i])));
  }
}

template <typename T, typename Op>
void reduce_all(T* into, std::span<const void* const> sources, size_t count, Op op) {
  auto source = [&](size_t s) { return static_cast<const T*>(sources[s]); };
  if (sources.size() == 2) return combine(into, source(0), source(1), count, op);
  // `into` may be a later source, so partial results stay in a block of their own.
  constexpr size_t kBlock = kReduceBlock / sizeof(T);
  alignas(64) T partial[kBlock];
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t n = std::min(kBlock, count - begin);
    combine(partial, source(0) + begin, source(1) + begin, n, op);
    for (size_t s = 2; s < sources.size(); ++s) combine(partial, partial, source(s) + begin, n, op);
    std::memcpy(into + begin, partial, n * sizeof(T));
  }
}

template <typename T>
void reduce_typed(ReduceOp op, void* into, std::span<const void* const> sources, size_t count) {
  T* out = static_cast<T*>(into);
  switch (op) {
    case ReduceOp::sum:
      return reduce_all(out, sources, count, Sum());
    case ReduceOp::prod:
      return reduce_all(out, sources, count, Prod());
    case ReduceOp::max:
    case ReduceOp::any:
      return reduce_all(out, sources, count, Max());
    case ReduceOp::min:
    case ReduceOp::all:
      return reduce_all(out, sources, count, Min());
  }
}

}  // namespace

void check_reduction(ReduceOp op, DType type) {
  const bool defined =
      type == DType::b8 ? op != ReduceOp::sum : op != ReduceOp::any && op != ReduceOp::all;
  TESSERA_CHECK(defined) << name_of(op) << " of " << name_of(type) << " is not defined";
}

void reduce(DType type, ReduceOp op, void* into, std::span<const void* const> sources,
            size_t count) {
  if (count == 0) return;
  if (sources.size() == 1) {
    if (into != sources[0]) std::memcpy(into, sources[0], count * size_of(type));
    return;
  }
  switch (type) {
    case DType::f32:
      return reduce_typed<float>(op, into, sources, count);
    case DType::f64:
      return reduce_typed<double>(op, into, sources, count);
    case DType::i32:
      return reduce_typed<int32_t>(op, into, sources, count);
    case DType::i64:
      return reduce_typed<int64_t>(op, into, sources, count);
    case DType::b8:
    case DType::u8:
      return reduce_typed<uint8_t>(op, into, sources, count);
    case DType::i8:
      return reduce_typed<int8_t>(op, into, sources, count);
    case DType::bf16:
      return reduce_typed<Bf16>(op, into, sources, count);
    case DType::f16:
      return reduce_typed<F16>(op, into, sources, count);
  }
}

Slice slice_of(size_t count, size_t parts, size_t index) {
  constexpr size_t kStep = 64;
  const size_t size = (((count + parts - 1) / parts) + kStep - 1) / kStep * kStep;
  const size_t begin = std::min(count, size * index);
  return {begin, std::min(size, count - begin)};
}

}  // namespace tessera
