#include "ir/box.h"

namespace tessera {

Box whole(const Dims& dims) {
  return {std::vector<int64_t>(dims.size(), 0), extents(dims)};
}

std::vector<int64_t> shape(const Box& box) {
  std::vector<int64_t> result;
  for (size_t i = 0; i < box.begin.size(); ++i) result.push_back(box.end[i] - box.begin[i]);
  return result;
}

int64_t volume(const Box& box) {
  int64_t count = 1;
  for (int64_t extent : shape(box)) count *= extent;
  return count;
}

bool advance(std::vector<int64_t>& at, const Box& box) {
  for (size_t d = at.size(); d-- > 0;) {
    if (++at[d] < box.end[d]) return true;
    at[d] = box.begin[d];
  }
  return false;
}

}  // namespace tessera
