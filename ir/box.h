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

}  // namespace tessera
