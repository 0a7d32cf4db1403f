#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// A program about one nest, as text: an input of up to three dims, read with pads, windows,
// strides, backwards and through data, mapped or reduced, and often the gradients of that. Extents
// lie around multiples of the lanes of every level of processors, where masks are made. Computed on
// small whole numbers its floats are exact, so they are the same in any order.
//
//   dim a = 3, b = 9
//   input x[a, b] : f32
//   d = x[a: a + 1 pad 0, b: b + 1 pad 0]
struct RandomNest {
  std::string text;
  int64_t points = 1;  // of the nest, gradients aside
};
RandomNest random_nest(uint64_t seed);

}  // namespace tessera
