#include "partition/exchange.h"

#include <cstring>

#include "base/error.h"
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
  while (true) {
    int64_t offset = 0;
    for (size_t d = 0; d < rank; ++d) offset = offset * whole[d] + at[d];
    body(static_cast<size_t>(offset), static_cast<size_t>(run));
    size_t d = rank == 0 ? 0 : rank - 1;
    for (; d > 0; --d) {
      if (++at[d - 1] < box.end[d - 1]) break;
      at[d - 1] = box.begin[d - 1];
    }
    if (d == 0) return;
  }
}

Box whole_box(const std::vector<int64_t>& extents) {
  return {std::vector<int64_t>(extents.size(), 0), extents};
}

void narrow(Box& box, int dim, const Interval& range) {
  if (dim < 0) return;
  box.begin[static_cast<size_t>(dim)] = range.begin;
  box.end[static_cast<size_t>(dim)] = range.end;
}

Scalar load(const Array& array, size_t i) {
  switch (array.type) {
    case DType::i64:
      return Scalar::of_int(DType::i64, array.as<int64_t>()[i]);
    case DType::i32:
      return Scalar::of_int(DType::i32, array.as<int32_t>()[i]);
    case DType::b8:
      return Scalar::of_bool(array.as<uint8_t>()[i] != 0);
    default:
      return Scalar::of_float(array.type, array.get(i));
  }
}

void combine_into(Array& total, const Array& other, ReduceOp op) {
  TESSERA_CHECK(total.shape == other.shape) << "partial values of different shapes";
  for (size_t i = 0; i < total.size(); ++i) {
    const Scalar value = combine(op, load(total, i), load(other, i));
    if (total.type == DType::i64)
      total.as<int64_t>()[i] = value.i;
    else
      total.set(i, value.number());
  }
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

Array exchange(const CommStep& mine, const std::vector<Contribution>& members) {
  const auto me = static_cast<size_t>(mine.me);
  const bool reduces = mine.kind == CommKind::all_reduce || mine.kind == CommKind::reduce_scatter;
  Array result = make_array(mine.output.type(), extents(mine.output.dims()));
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
  TESSERA_CHECK(result.shape == extents(mine.output.dims())) << mine.output.name();
  return result;
}

}  // namespace tessera
