#pragma once

#include <cstdint>
#include <vector>

#include "ir/dim.h"

namespace tessera {

// A box of a tensor: for each of its dims, in declared order, begin and end.
struct Box {
  std::vector<int64_t> begin;
  std::vector<int64_t> end;

  bool operator==(const Box&) const = default;
};
Box whole(const Dims& dims);
std::vector<int64_t> shape(const Box& box);
int64_t volume(const Box& box);

// Steps `at` to the next point of the box, last dim fastest. After the last point, `at` is back at
// the first one and the result is false. The box is not empty.
bool advance(std::vector<int64_t>& at, const Box& box);

}  // namespace tessera
