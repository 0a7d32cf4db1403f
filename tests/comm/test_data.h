#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/dtype.h"

namespace tessera {

// A type that holds 0 or 1 and takes one byte, as in buffers of booleans.
using Byte = uint8_t;

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  return DType::b8;
}

// Element i of what a rank contributes: every rank can tell what every other holds. Floats are
// such that the order of additions shows in the bits.
template <typename T>
T element(int rank, size_t i) {
  const uint64_t mixed = (i * 2654435761u + static_cast<uint64_t>(rank) * 40503u) ^ (i >> 3);
  if constexpr (std::is_same_v<T, Byte>) return static_cast<T>((mixed >> 4) & 1);
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>((static_cast<double>(mixed % 20011) - 10000.0) / 3.0);
  return static_cast<T>(mixed * 1000003u);
}

template <typename T>
std::vector<T> elements(int rank, size_t count, size_t first = 0) {
  std::vector<T> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = element<T>(rank, first + i);
  return values;
}

// The reductions again, written in another way than the library's.
template <typename T>
T combine(ReduceOp op, T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    if ((op == ReduceOp::max || op == ReduceOp::min) && std::isnan(a)) return a;
  if constexpr (std::is_floating_point_v<T>)
    if ((op == ReduceOp::max || op == ReduceOp::min) && std::isnan(b)) return b;
  switch (op) {
    case ReduceOp::sum:
      if constexpr (std::is_integral_v<T>)
        return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
      return a + b;
    case ReduceOp::prod:
      if constexpr (std::is_integral_v<T>)
        return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
      return a * b;
    case ReduceOp::max:
      return b < a ? a : b;
    case ReduceOp::min:
      return b > a ? a : b;
    case ReduceOp::any:
      return a != T(0) || b != T(0);
    case ReduceOp::all:
      return a != T(0) && b != T(0);
  }
  return a;
}

// Elements [first, first + count) of the reduction over all ranks.
template <typename T>
std::vector<T> reduced(int ranks, ReduceOp op, size_t count, size_t first = 0) {
  std::vector<T> values = elements<T>(0, count, first);
  for (int r = 1; r < ranks; ++r)
    for (size_t i = 0; i < count; ++i)
      values[i] = combine<T>(op, values[i], element<T>(r, first + i));
  return values;
}

}  // namespace tessera
