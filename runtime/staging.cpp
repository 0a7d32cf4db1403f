#include "runtime/staging.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "runtime/device/device.h"

namespace tessera {
namespace {

// A row-major tensor seen as [outer][extent][inner bytes] around one dim.
struct View {
  size_t outer = 1;
  size_t extent = 1;
  size_t inner = 1;

  size_t bytes() const { return outer * extent * inner; }
};

View view_of(const Tensor& tensor, int dim) {
  View view;
  view.inner = size_of(tensor.type());
  for (int d = 0; d < static_cast<int>(tensor.dims().size()); ++d) {
    const auto extent = static_cast<size_t>(tensor.dims()[static_cast<size_t>(d)].extent());
    (d < dim ? view.outer : d == dim ? view.extent : view.inner) *= extent;
  }
  return view;
}

// Elements of each member's block.
std::vector<size_t> counts_of(const View& view, const std::vector<Interval>& blocks, DType type) {
  std::vector<size_t> counts;
  for (const Interval& block : blocks)
    counts.push_back(view.outer * static_cast<size_t>(block.size()) * view.inner / size_of(type));
  return counts;
}

// From the tensor's order to parts of it back to back, or the other way round.
void move_parts(DeviceStream& stream, const View& view, const std::vector<Interval>& parts,
                const std::byte* from, std::byte* to, bool packing) {
  size_t packed = 0;
  for (const Interval& part : parts) {
    const size_t row = static_cast<size_t>(part.size()) * view.inner;
    const size_t whole = view.extent * view.inner;
    const size_t loose = static_cast<size_t>(part.begin) * view.inner;
    if (packing)
      stream.copy_rows(to + packed, row, from + loose, whole, row, view.outer);
    else
      stream.copy_rows(to + loose, whole, from + packed, row, row, view.outer);
    packed += row * view.outer;
  }
}

bool gathers(const CommStep& step) {
  return step.kind == CommKind::all_gather || step.kind == CommKind::all_to_all;
}

bool scatters(const CommStep& step) {
  return step.kind == CommKind::reduce_scatter || step.kind == CommKind::all_to_all;
}

std::vector<Interval> ranges_of(const std::vector<Piece>& pieces) {
  std::vector<Interval> ranges;
  for (const Piece& piece : pieces) ranges.push_back(piece.range);
  return ranges;
}

// Elements of all pieces of each member.
std::vector<size_t> counts_of(const View& view, const CommStep& step,
                              const std::vector<Piece>& pieces) {
  std::vector<size_t> counts(step.group.size(), 0);
  const size_t row = view.outer * view.inner / size_of(step.input.type());
  for (const Piece& piece : pieces)
    counts[static_cast<size_t>(piece.member)] += static_cast<size_t>(piece.range.size()) * row;
  return counts;
}

size_t bytes_of(const View& view, const std::vector<Piece>& pieces) {
  size_t size = 0;
  for (const Piece& piece : pieces) size += static_cast<size_t>(piece.range.size());
  return view.outer * size * view.inner;
}

size_t pack_bytes(const CommStep& step) {
  if (has_pieces(step.kind)) return bytes_of(view_of(step.input, step.scatter_dim), step.sends);
  if (!scatters(step)) return 0;
  const View view = view_of(step.input, step.scatter_dim);
  return view.outer > 1 ? view.bytes() : 0;
}

// Pieces by member, in rows that are one, lie as they are wanted.
bool lie_in_order(const CommStep& step, const View& view) {
  return view.outer == 1 && std::is_sorted(step.receives.begin(), step.receives.end(),
                                           [](const Piece& a, const Piece& b) {
                                             return a.range.begin < b.range.begin;
                                           });
}

size_t unpack_bytes(const CommStep& step) {
  if (has_pieces(step.kind)) {
    const View view = view_of(step.output, step.gather_dim);
    return lie_in_order(step, view) ? 0 : view.bytes();
  }
  if (!gathers(step)) return 0;
  const View view = view_of(step.output, step.gather_dim);
  return view.outer > 1 ? view.bytes() : 0;
}

// Packed pieces of one member, by bytes.
struct Packed {
  std::vector<size_t> begin;
  std::vector<size_t> bytes;

  Packed(const std::vector<size_t>& counts, size_t element) {
    size_t at = 0;
    for (const size_t count : counts) {
      begin.push_back(at);
      bytes.push_back(count * element);
      at += count * element;
    }
  }
};

constexpr int kUpwards = 1, kDownwards = 2;  // tags

// What goes to the next member and comes from the one before, and the other way round. Each message
// is posted before the one that comes is waited for, so no two wait for one another.
void exchange_with_neighbours(const CommStep& step, Communicator& group, DeviceStream& stream,
                              const std::byte* send, const Packed& out, std::byte* recv,
                              const Packed& in) {
  const auto me = static_cast<size_t>(step.me), size = step.group.size();
  if (out.bytes[me] > 0) stream.copy(recv + in.begin[me], send + out.begin[me], out.bytes[me]);
  const size_t next = (me + 1) % size, before = (me + size - 1) % size;
  for (const auto& [to, from, tag] :
       {std::tuple{next, before, kUpwards}, std::tuple{before, next, kDownwards}}) {
    const Outgoing goes{send + out.begin[to], out.bytes[to], static_cast<int>(to)};
    const Incoming comes{recv + in.begin[from], in.bytes[from], static_cast<int>(from)};
    if (goes.bytes > 0 && comes.bytes > 0)
      group.send_recv(goes, comes, tag);
    else if (goes.bytes > 0)
      group.send(goes.data, goes.bytes, goes.peer, tag);
    else if (comes.bytes > 0)
      group.recv(comes.data, comes.bytes, comes.peer, tag);
  }
}

void exchange_pieces(const CommStep& step, Communicator& group, DeviceStream& stream,
                     const std::byte* send, std::byte* recv) {
  const DType type = step.input.type();
  const View from = view_of(step.input, step.scatter_dim);
  const View to = view_of(step.output, step.gather_dim);
  const std::vector<size_t> out = counts_of(from, step, step.sends);
  const std::vector<size_t> in = counts_of(to, step, step.receives);
  if (step.kind == CommKind::window || step.group.size() <= 2)
    return group.all_to_all(send, out, recv, in, type);
  exchange_with_neighbours(step, group, stream, send, {out, size_of(type)}, recv,
                           {in, size_of(type)});
}

size_t elements(const Tensor& tensor) {
  return static_cast<size_t>(volume(tensor.dims()));
}

}  // namespace

size_t staging_bytes(const CommStep& step) {
  return pack_bytes(step) + unpack_bytes(step);
}

void run_collective(const CommStep& step, Communicator& group, DeviceStream& stream,
                    const std::byte* input, std::byte* output, std::byte* staging) {
  const DType type = step.input.type();
  const std::byte* send = input;
  std::byte* recv = output;
  const bool pieces = has_pieces(step.kind);
  if (pack_bytes(step) > 0) {
    move_parts(stream, view_of(step.input, step.scatter_dim),
               pieces ? ranges_of(step.sends) : step.scatter_blocks, input, staging, true);
    send = staging;
  }
  if (unpack_bytes(step) > 0) recv = staging + pack_bytes(step);
  const std::vector<size_t> out_counts =
      scatters(step) ? counts_of(view_of(step.input, step.scatter_dim), step.scatter_blocks, type)
                     : std::vector<size_t>{};
  const std::vector<size_t> in_counts =
      gathers(step) ? counts_of(view_of(step.output, step.gather_dim), step.gather_blocks, type)
                    : std::vector<size_t>{};
  switch (step.kind) {
    case CommKind::all_gather:
      group.all_gather(send, recv, in_counts, type);
      break;
    case CommKind::reduce_scatter:
      group.reduce_scatter(send, recv, out_counts, type, step.op);
      break;
    case CommKind::all_reduce:
      group.all_reduce(send, recv, elements(step.input), type, step.op);
      break;
    case CommKind::all_to_all:
      group.all_to_all(send, out_counts, recv, in_counts, type);
      break;
    case CommKind::halo:
    case CommKind::window:
      exchange_pieces(step, group, stream, send, recv);
      break;
    case CommKind::slice:
    case CommKind::mask:
      TESSERA_CHECK(false) << name_of(step.kind) << " is no collective";
  }
  if (unpack_bytes(step) > 0)
    move_parts(stream, view_of(step.output, step.gather_dim),
               pieces ? ranges_of(step.receives) : step.gather_blocks, recv, output, false);
}

}  // namespace tessera
