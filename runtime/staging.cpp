#include "runtime/staging.h"

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

// From the tensor's order to blocks back to back, or the other way round.
void move_blocks(DeviceStream& stream, const View& view, const std::vector<Interval>& blocks,
                 const std::byte* from, std::byte* to, bool packing) {
  size_t packed = 0;
  for (const Interval& block : blocks) {
    const size_t row = static_cast<size_t>(block.size()) * view.inner;
    const size_t whole = view.extent * view.inner;
    const size_t loose = static_cast<size_t>(block.begin) * view.inner;
    if (packing)
      stream.copy_rows(to + packed, row, from + loose, whole, row, view.outer);
    else
      stream.copy_rows(to + loose, whole, from + packed, row, row, view.outer);
    packed += row * view.outer;
  }
}

bool exchanges(const CommStep& step) {
  return step.kind == CommKind::all_to_all || step.kind == CommKind::halo;
}

bool gathers(const CommStep& step) {
  return step.kind == CommKind::all_gather || exchanges(step);
}

bool scatters(const CommStep& step) {
  return step.kind == CommKind::reduce_scatter || exchanges(step);
}

size_t pack_bytes(const CommStep& step) {
  if (!scatters(step)) return 0;
  const View view = view_of(step.input, step.scatter_dim);
  if (step.kind == CommKind::halo) {  // blocks may overlap or leave parts out
    size_t rows = 0;
    for (const Interval& block : step.scatter_blocks) rows += static_cast<size_t>(block.size());
    return view.outer * rows * view.inner;
  }
  return view.outer > 1 ? view.bytes() : 0;
}

size_t unpack_bytes(const CommStep& step) {
  if (!gathers(step)) return 0;
  const View view = view_of(step.output, step.gather_dim);
  return view.outer > 1 ? view.bytes() : 0;
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
  if (pack_bytes(step) > 0) {
    move_blocks(stream, view_of(step.input, step.scatter_dim), step.scatter_blocks, input, staging,
                true);
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
    case CommKind::halo:
      group.all_to_all(send, out_counts, recv, in_counts, type);
      break;
    case CommKind::slice:
    case CommKind::mask:
      TESSERA_CHECK(false) << name_of(step.kind) << " is no collective";
  }
  if (unpack_bytes(step) > 0)
    move_blocks(stream, view_of(step.output, step.gather_dim), step.gather_blocks, recv, output,
                false);
}

}  // namespace tessera
