#include "partition/exchange.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ir/element.h"
#include "partition/simulate.h"

namespace tessera {
namespace {

// Calls body(offset in the array, elements) for each contiguous run of the box.
template <typename Body>
void each_run(const std::vector<int64_t>& whole, const Box& box, const Body& body) {
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

Box whole_box(const std::vector<int64_t>& extents) {
  return {std::vector<int64_t>(extents.size(), 0), extents};
}

void narrow(Box& box, int dim, const Interval& range) {
  if (dim < 0) return;
  box.begin[static_cast<size_t>(dim)] = range.begin;
  box.end[static_cast<size_t>(dim)] = range.end;
}

void combine_into(Array& total, const Array& other, ReduceOp op) {
  TESSERA_CHECK(total.shape == other.shape) << "partial values of different shapes";
  for (size_t i = 0; i < total.size(); ++i)
    store(total, i, combine(op, load(total, i), load(other, i)));
}

}  // namespace

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

Array exchange(const CommStep& mine, const std::vector<Contribution>& members, size_t loops) {
  const auto me = static_cast<size_t>(mine.me);
  std::vector<int64_t> shape = extents(mine.output.dims());
  std::fill(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(loops), 1);
  const bool reduces = mine.kind == CommKind::all_reduce || mine.kind == CommKind::reduce_scatter;
  Array result = make_array(mine.output.type(), shape);
  for (size_t m = 0; m < members.size(); ++m) {
    Box from = whole_box(members[m].input->shape);
    if (mine.scatter_dim >= 0) narrow(from, mine.scatter_dim, members[m].step->scatter_blocks[me]);
    const Array piece = cut(*members[m].input, from);
    if (reduces) {
      if (m == 0)
        result = piece;
      else
        combine_into(result, piece, mine.op);
      continue;
    }
    Box to = whole_box(result.shape);
    narrow(to, mine.gather_dim, mine.gather_blocks[m]);
    paste(piece, to, result);
  }
  TESSERA_CHECK(result.shape == shape) << mine.output.name();
  return result;
}

}  // namespace tessera
