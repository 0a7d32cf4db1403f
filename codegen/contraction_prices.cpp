#include "codegen/contraction_prices.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "base/dtype.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Fitted on Cascade Lake with AVX-512 (two multiply-adds and two loads a cycle, as AVX2 has
// elsewhere); Zen 4 has half of both.
constexpr double kLoadCost = 0.6;  // a vector load or a broadcast beside the multiply-adds
constexpr double kLatency = 8;     // fewer independent accumulators than this stall
constexpr double kL2Line = 0.4;    // a line of b in a step, of a panel that leaves the first cache
constexpr double kTileCost = 20;   // entering and leaving the tile's loop
constexpr double kPackVector = 3;  // one vector copied to a panel
constexpr double kPackSquare = 2;  // a step of a transpose, a load or a store for a row of it
constexpr double kPackScalar = 3;  // one element gathered or computed alone
constexpr double kNearLine = 3;    // a line of a that is read where it lies, and not in a panel
constexpr double kFarLine = 22;    // a line that is read from memory for one element of it
constexpr double kStorePiece = 2.5;  // one piece of the result, whatever its width
constexpr double kFarStream = 31;    // a line of a stream from beyond the second-level cache
constexpr double kLineBytes = 64;
constexpr int64_t kNearStep = 256;  // bytes; lines farther apart are fetched by no stream

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// `pair`: cycles of a word of b and one of a; `lines` of b: those of a vector.
double step_cycles(int64_t rows, int64_t vectors, double pair, double lines) {
  if (rows == 0 || vectors == 0) return 0;
  const double multiply = pair * static_cast<double>(rows * vectors);
  const double loads = kLoadCost * static_cast<double>(rows + vectors);
  return std::max(multiply, kLatency) + loads + kL2Line * lines * static_cast<double>(vectors);
}

// Is each line of what lies there met again by every batch, long after it left the second-level
// cache? So it is where batches are innermost.
bool shares_lines(const Affine& form, const ContractionLayout& layout, const VectorTarget& target,
                  int64_t element) {
  if (inner_step(form, layout.batch) != 1) return false;
  int64_t elements = 1;
  for (const IndexLevels* levels : {&layout.batch, &layout.m, &layout.n, &layout.k})
    for (const IndexLevel& level : *levels)
      if (step_of(form, level) != 0) elements *= level.extent;
  return elements * element > target.l2_bytes;
}

}  // namespace

double tile_cycles(int64_t m, int64_t n, int64_t k, double pair, const ContractionSchedule& s,
                   const VectorTarget& target) {
  const int64_t panel =
      std::min(k, s.k_block) / s.product.group() * s.vectors * target.vector_bytes;
  const double lines = 2 * panel > target.l1_bytes ? target.vector_bytes / kLineBytes : 0;
  const int64_t steps = ceil_div(k, s.product.group());
  const int64_t n_vectors = ceil_div(n, s.n_lanes());
  const int64_t down = m / s.rows, across = n_vectors / s.vectors;
  const int64_t m_rest = m % s.rows, n_rest = n_vectors % s.vectors;
  const auto tiles = [&](int64_t count, int64_t rows, int64_t vectors) {
    const double blocks = static_cast<double>(ceil_div(k, s.k_block));
    return static_cast<double>(count) *
           (static_cast<double>(steps) * step_cycles(rows, vectors, pair, lines) +
            blocks *
                (rows * vectors == 0 ? 0 : kTileCost + 2.0 * static_cast<double>(rows * vectors)));
  };
  return tiles(down * across, s.rows, s.vectors) + tiles(down, s.rows, n_rest) +
         tiles(across, m_rest, s.vectors) + tiles(1, m_rest, n_rest);
}

double stream_cycles(const Expr& operand, const ContractionLayout& layout,
                     const VectorTarget& target) {
  int64_t bytes = 0;
  for (const Tensor& tensor : tensors_read(operand))
    bytes += volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
  if (bytes <= target.l2_bytes) return 0;
  return kFarStream * static_cast<double>(bytes) / kLineBytes /
         static_cast<double>(volume(layout.batch));
}

double pack_cycles(const Expr& operand, const ContractionLayout& layout, const IndexLevels& side,
                   const ContractionSchedule& s, int64_t panel, const VectorTarget& target) {
  const std::optional<Affine> form = packed_address(operand);
  if (s.batched) {
    const bool whole = form && is_read_at_once(*form, layout.batch);
    return whole ? kPackVector : kPackScalar * s.lanes;
  }
  if (!form) return kPackScalar;
  const IndexLevels& k = layout.k;
  const int64_t along = std::min(piece_within(side, s.lanes), panel & -panel);
  const int64_t down = std::min<int64_t>(piece_within(k, s.lanes), std::bit_floor(uint64_t(panel)));
  const auto whole = static_cast<int64_t>(
      std::bit_floor(static_cast<uint64_t>(std::min<int64_t>(panel, s.lanes))));
  if (inner_step(*form, side) == 1 && stays_in_run(side, panel) && whole > 1)
    return kPackVector * static_cast<double>(ceil_div(panel, whole)) / static_cast<double>(panel);
  if (inner_step(*form, side) == 1 && along > 1) return kPackVector / static_cast<double>(along);
  if (inner_step(*form, k) == 1 && down > 1)
    return kPackSquare * (std::log2(static_cast<double>(down)) + 2) /
           static_cast<double>(down * s.product.group());
  return kPackScalar +
         (shares_lines(*form, layout, target, static_cast<int64_t>(size_of(operand.type())))
              ? kFarLine
              : 0);
}

double packed_a_cycles(const Contraction& c, const ContractionLayout& layout,
                       const ContractionSchedule& s, const VectorTarget& target) {
  const auto places = static_cast<double>(volume(layout.m) * volume(layout.k));
  return static_cast<double>(ceil_div(volume(layout.n), s.n_block)) *
         (places * pack_cycles(c.a, layout, layout.m, s, s.rows, target) +
          stream_cycles(c.a, layout, target));
}

double direct_a_cycles(const Contraction& c, const ContractionLayout& layout,
                       const ContractionSchedule& s, const VectorTarget& target, double packed) {
  const Read& read = *affine_read(c.a, s.product);
  const Affine form = *address_of(read);
  const double in_line = kLineBytes / static_cast<double>(size_of(read.tensor.type()));
  const double step =
      std::min(1.0, std::abs(static_cast<double>(inner_step(form, layout.k))) / in_line);
  const bool side_by_side = inner_step(form, layout.m) == 1;
  const double rows = s.rows;
  const double lines = step * (side_by_side ? 1 + (rows - 1) / in_line : rows);
  const double more = std::max(0.0, lines - rows / in_line);
  const double steps = static_cast<double>(volume(layout.k)) *
                       static_cast<double>(ceil_div(volume(layout.m), s.rows) *
                                           ceil_div(volume(layout.n), s.columns()));
  const int64_t bytes = static_cast<int64_t>(size_of(read.tensor.type()));
  const bool near = std::abs(inner_step(form, layout.k)) * bytes <= kNearStep ||
                    2 * volume(read.tensor.dims()) * bytes <= target.l2_bytes;
  const double line = near || !side_by_side ? kNearLine : kFarLine;
  return edge_share(read, layout, s.rows) * packed + line * more * steps;
}

double finish_cycles(const ContractionGroup& group, const ContractionLayout& layout,
                     const ContractionSchedule& s, const VectorTarget& target) {
  const auto n = static_cast<double>(std::max<int64_t>(1, volume(layout.n)));
  const double whole = std::min(static_cast<double>(piece_within(layout.n, s.lanes)), n);
  double cycles = 0;
  const auto touch = [&](const Affine& form, DType type, double lines) {
    if (s.batched) {
      cycles += kStorePiece * (is_read_at_once(form, layout.batch) ? 1 : s.lanes);
    } else if (inner_step(form, layout.n) == 1) {
      cycles += kStorePiece / whole;
    } else {
      const auto element = static_cast<int64_t>(size_of(type));
      cycles += kStorePiece + (shares_lines(form, layout, target, element) ? lines * kFarLine : 0);
    }
  };
  std::set<Tensor> inside = {group.contraction.nest.out};
  for (const Tensor& output : group.outputs)  // a line that is written is read before
    touch(address_of(output), output.type(), 2);
  for (const Nest& nest : group.epilogue) {
    for (const Expr& node : reads_of(nest)) {
      const Read& read = *as<Read>(node);
      const std::optional<Affine> form = address_of(read);
      const bool varies = form && (inner_step(*form, layout.n) != 0 ||
                                   (s.batched && inner_step(*form, layout.batch) != 0));
      if (inside.count(read.tensor) == 0 && varies) touch(*form, read.tensor.type(), 1);
    }
    inside.insert(nest.out);
  }
  return cycles;
}

}  // namespace tessera
