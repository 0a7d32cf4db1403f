#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace tessera {

// A dense array on the host, row-major: what crosses the border of a program (feeds, results,
// files). The order of its extents is the order in which the program declares the tensor's dims.
//
//   Array a = make_array(DType::f32, {2, 3});  a.as<float>()[1 * 3 + 2] = 5;
struct Array {
  DType type = DType::f32;
  std::vector<int64_t> shape;
  std::vector<std::byte> data;

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data.data());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data.data());
  }

  // Element i (row-major) as a number; bool is 0 or 1; i64 beyond 2^53 is rounded.
  double get(size_t i) const;
  // Rounds or truncates to the element type.
  void set(size_t i, double value);

  size_t size() const;  // number of elements
  bool operator==(const Array&) const = default;
};

// Zero-filled. Throws UserError when a shape is negative or the bytes overflow size_t, DeviceError
// when there is not that much memory.
Array make_array(DType type, std::vector<int64_t> shape);

// "f32[2, 3]"
std::string describe(const Array& array);

}  // namespace tessera
