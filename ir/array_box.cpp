#include "ir/array_box.h"

#include <cstring>

#include "base/error.h"

namespace tessera {

void each_run(const std::vector<int64_t>& whole, const Box& box,
              const std::function<void(size_t offset, size_t count)>& body) {
  if (volume(box) == 0) return;
  const size_t rank = whole.size();
  const int64_t run = rank == 0 ? 1 : box.end[rank - 1] - box.begin[rank - 1];
  std::vector<int64_t> at = box.begin;
  Box starts = box;  // of the runs
  if (rank > 0) starts.end[rank - 1] = starts.begin[rank - 1] + 1;
  do {
    int64_t offset = 0;
    for (size_t d = 0; d < rank; ++d) offset = offset * whole[d] + at[d];
    body(static_cast<size_t>(offset), static_cast<size_t>(run));
  } while (advance(at, starts));
}

Array cut(const Array& whole, const Box& box) {
  Array part = make_array(whole.type, shape(box));
  const size_t bytes = size_of(whole.type);
  std::byte* to = part.data.data();
  each_run(whole.shape, box, [&](size_t offset, size_t count) {
    std::memcpy(to, whole.data.data() + offset * bytes, count * bytes);
    to += count * bytes;
  });
  return part;
}

void paste(const Array& part, const Box& box, Array& whole) {
  TESSERA_CHECK(part.shape == shape(box) && part.type == whole.type) << describe(part);
  const size_t bytes = size_of(whole.type);
  const std::byte* from = part.data.data();
  each_run(whole.shape, box, [&](size_t offset, size_t count) {
    std::memcpy(whole.data.data() + offset * bytes, from, count * bytes);
    from += count * bytes;
  });
}

}  // namespace tessera
