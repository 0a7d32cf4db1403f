#include "partition/exchange.h"

#include <algorithm>

#include "base/error.h"
#include "ir/array_box.h"
#include "ir/element.h"

namespace tessera {
namespace {

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

// The `nth` piece that `from` sends to `to`.
const Interval& sent(const CommStep& from, int to, size_t nth) {
  for (const Piece& piece : from.sends)
    if (piece.member == to && nth-- == 0) return piece.range;
  TESSERA_CHECK(false) << from.input.name() << " is waited for, and nobody sends it";
  return from.sends.front().range;
}

void exchange_pieces(const CommStep& mine, const std::vector<Contribution>& members,
                     Array& result) {
  std::vector<size_t> taken(members.size(), 0);
  for (const Piece& piece : mine.receives) {
    const auto m = static_cast<size_t>(piece.member);
    Box from = whole_box(members[m].input->shape), to = whole_box(result.shape);
    narrow(from, mine.scatter_dim, sent(*members[m].step, mine.me, taken[m]++));
    narrow(to, mine.gather_dim, piece.range);
    paste(cut(*members[m].input, from), to, result);
  }
}

}  // namespace

Array exchange(const CommStep& mine, const std::vector<Contribution>& members, size_t loops) {
  const auto me = static_cast<size_t>(mine.me);
  std::vector<int64_t> shape = extents(mine.output.dims());
  std::fill(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(loops), 1);
  const bool reduces = mine.kind == CommKind::all_reduce || mine.kind == CommKind::reduce_scatter;
  Array result = make_array(mine.output.type(), shape);
  if (has_pieces(mine.kind)) {
    exchange_pieces(mine, members, result);
    return result;
  }
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
