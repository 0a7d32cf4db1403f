#include "codegen/contraction_schedule.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "base/dtype.h"
#include "base/error.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

// Costs are in cycles of one vector multiply-add unit. The constants were fitted on Zen 4 with
// AVX-512 (one 512-bit multiply-add and one 512-bit load a cycle); other hosts have the same
// proportions.
constexpr double kLoadCost = 0.6;       // a vector load or a broadcast in the tile's loop
constexpr double kLatency = 5;          // fewer independent accumulators than this stall
constexpr double kTileCost = 20;        // entering and leaving the tile's loop
constexpr double kPackVector = 1.5;     // one vector copied to a panel
constexpr double kPackTransposed = 10;  // one vector's worth of elements through a transpose
constexpr double kPackScalar = 3;       // one element gathered or computed alone
constexpr double kFarLine = 22;         // a line that is read from memory for one element of it
constexpr double kStorePiece = 2.5;     // one piece of the result, whatever its width
constexpr int kDirectRows = 8;          // row pointers that fit general registers
constexpr int kMostRows = 14, kMostVectors = 4;
constexpr int64_t kPanelsLookedAt = 128;  // for the share of them that pads meet

// The accumulators, one row of b, a broadcast element of a, and what a pair needs in between.
bool fits_registers(int rows, int vectors, const Contraction& c, const VectorTarget& target) {
  const bool in_two = narrow_product(c, target).unit == ProductUnit::madd_i16;
  return rows * vectors + vectors + (c.pair ? 3 : in_two ? 2 : 1) <= target.registers;
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

// `extent` in the fewest blocks of at most `limit`, evenly, each a multiple of `unit`.
int64_t even_block(int64_t extent, int64_t limit, int64_t unit) {
  const int64_t whole = round_up(std::max<int64_t>(extent, 1), unit);
  const int64_t cap = std::max(unit, limit / unit * unit);
  return round_up(ceil_div(whole, ceil_div(whole, cap)), unit);
}

// `pair`: cycles of a word of b and one of a.
double step_cycles(int64_t rows, int64_t vectors, double pair) {
  if (rows == 0 || vectors == 0) return 0;
  const double multiply = pair * static_cast<double>(rows * vectors);
  return std::max({multiply, kLoadCost * static_cast<double>(rows + vectors) + 1, kLatency});
}

// Cycles of all register tiles over m x n x k.
double tile_cycles(int64_t m, int64_t n, int64_t k, double pair, const ContractionSchedule& s) {
  const int64_t steps = ceil_div(k, s.product.group());
  const int64_t n_vectors = ceil_div(n, s.n_lanes());
  const int64_t down = m / s.rows, across = n_vectors / s.vectors;
  const int64_t m_rest = m % s.rows, n_rest = n_vectors % s.vectors;
  const auto tiles = [&](int64_t count, int64_t rows, int64_t vectors) {
    const double blocks = static_cast<double>(ceil_div(k, s.k_block));
    return static_cast<double>(count) *
           (static_cast<double>(steps) * step_cycles(rows, vectors, pair) +
            blocks *
                (rows * vectors == 0 ? 0 : kTileCost + 2.0 * static_cast<double>(rows * vectors)));
  };
  return tiles(down * across, s.rows, s.vectors) + tiles(down, s.rows, n_rest) +
         tiles(across, m_rest, s.vectors) + tiles(1, m_rest, n_rest);
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

// Cycles to pack one place of an operand whose panels run along `side`.
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
  if (inner_step(*form, side) == 1 && along > 1) return kPackVector / static_cast<double>(along);
  if (inner_step(*form, k) == 1 && down > 1)
    return kPackTransposed / static_cast<double>(down * s.product.group());
  return kPackScalar +
         (shares_lines(*form, layout, target, static_cast<int64_t>(size_of(operand.type())))
              ? kFarLine
              : 0);
}

// Neighbours along the flattened index that lie side by side in memory, from where a run begins.
int64_t run_along(const Affine& form, const IndexLevels& levels) {
  int64_t run = 1;
  for (size_t i = levels.size(); i-- > 0 && step_of(form, levels[i]) == run;)
    run *= levels[i].extent;
  return run;
}

// Rows of a lie in order along k, so that tiles may read them in place. What a guard leaves out is
// known of packed operands only.
bool rows_are_streams(const Contraction& c, const ContractionLayout& layout,
                      const NarrowProduct& product) {
  if (c.guarded_a || c.guarded_b) return false;
  const Read* read = affine_read(c.a, product);
  const int group = product.group();
  if (read == nullptr || inner_step(*address_of(*read), layout.k) != 1 ||
      layout.k.back().extent % group != 0)
    return false;
  return layout.k.size() == 1 || run_along(*address_of(*read), layout.k) >= 4 * int64_t{group};
}

// The share of a's panels that meet a pad. Of many panels some are looked at.
double edge_share(const Contraction& c, const ContractionLayout& layout,
                  const ContractionSchedule& s) {
  struct Way {  // of an edge's index: by m, and from where to where batch and k may bring it
    std::vector<int64_t> steps;
    IndexRange others;
    int64_t extent;
  };
  std::vector<Way> ways;
  for (const PadEdge& edge : edges_of(*affine_read(c.a, s.product))) {
    Way way{{}, {edge.index.constant, edge.index.constant}, edge.extent};
    for (const IndexLevel& level : layout.m) way.steps.push_back(step_of(edge.index, level));
    for (const IndexLevels* levels : {&layout.batch, &layout.k})
      for (const IndexLevel& level : *levels) {
        const int64_t most = step_of(edge.index, level) * (level.extent - 1);
        (most < 0 ? way.others.low : way.others.high) += most;
      }
    ways.push_back(std::move(way));
  }
  if (ways.empty()) return 0;
  const auto meets = [&](int64_t row) {
    return std::any_of(ways.begin(), ways.end(), [&](const Way& way) {
      int64_t at = 0, rest = row;
      for (size_t i = layout.m.size(); i-- > 0; rest /= layout.m[i].extent)
        at += way.steps[i] * (rest % layout.m[i].extent);
      return at + way.others.low < 0 || at + way.others.high >= way.extent;
    });
  };
  const int64_t m = volume(layout.m), panels = ceil_div(m, s.rows);
  const int64_t looked_at = std::min(panels, kPanelsLookedAt);
  int64_t met = 0;
  for (int64_t i = 0; i < looked_at; ++i) {
    int64_t row = i * panels / looked_at * s.rows;
    const int64_t end = std::min(m, row + s.rows);
    while (row < end && !meets(row)) ++row;
    met += row < end ? 1 : 0;
  }
  return static_cast<double>(met) / static_cast<double>(looked_at);
}

// Whole vectors of b lie in order along n.
bool vectors_in_place(const Contraction& c, const ContractionLayout& layout, int lanes) {
  if (c.guarded_a || c.guarded_b) return false;
  const std::optional<Affine> form = simple_address(c.b);
  if (!form) return false;
  return single_step(*form, layout.n) == 1 ||
         (inner_step(*form, layout.n) == 1 && piece_within(layout.n, lanes) == lanes &&
          layout.n.back().extent == volume(layout.n));
}

// Blocks are halved until every thread finds several of at least this many cycles; one thread alone
// would only pack more often.
constexpr int64_t kWantedChunks = 16;  // for each
constexpr double kLeastChunk = 60e3;

// An operand up to this size may stay packed, where the last cache is smaller or not known.
constexpr int64_t kKeptBytes = 4 << 20;

// An operand up to this size stays in the first cache, packed or not.
constexpr int64_t kNearBytes = 16 << 10;

// So many products of floats are added one after the other in a block of k.
constexpr int64_t kMostFloats = 384;

// Of panels whose places hold a vector, which fill caches sooner.
constexpr int64_t kBatchedK = 96, kBatchedM = 48, kBatchedN = 256;

void choose_blocks(ContractionSchedule& s, const ContractionLayout& layout,
                   const VectorTarget& target, int64_t element, bool in_block) {
  element *= s.width();
  const int group = s.product.group();
  const int64_t m = volume(layout.m), n = volume(layout.n);
  const int64_t k = ceil_div(volume(layout.k), group);  // words
  s.k_block =
      even_block(k, std::max<int64_t>(64, target.l2_bytes / 2 / element / 192 / 16 * 16), 16);
  const int64_t most = s.batched                                 ? kBatchedK
                       : s.product.unit == ProductUnit::dot_bf16 ? kMostFloats / group
                                                                 : 1536 / element;
  s.k_block = std::min({s.k_block, even_block(k, most, 16), k});
  s.m_block = even_block(m, s.batched ? kBatchedM : 192, s.rows);
  const int64_t panel_bytes = std::max<int64_t>(1, k) * element * s.columns();
  const int64_t panels =
      std::max<int64_t>(1, std::min<int64_t>(target.l3_bytes / 4, 4 << 20) / panel_bytes);
  s.n_block = even_block(n, std::min<int64_t>(panels * s.columns(), s.batched ? kBatchedN : 1024),
                         s.columns());
  const auto count = [&] {
    return s.batch_blocks(layout.batch) * ceil_div(m, s.m_block) * ceil_div(n, s.n_block);
  };
  const auto chunk_cycles = [&] {
    return static_cast<double>(s.m_block * s.n_block * k) / static_cast<double>(s.n_lanes());
  };
  s.k_block *= group;
  while (!in_block && target.threads > 1 && count() < kWantedChunks * target.threads &&
         chunk_cycles() > 2 * kLeastChunk) {
    if (s.m_block > 8 * s.rows && m > s.rows)
      s.m_block = even_block(m, s.m_block / 2, s.rows);
    else if (s.n_block > 2 * s.columns())
      s.n_block = even_block(n, s.n_block / 2, s.columns());
    else
      break;
  }
  s.chunks = count();
}

// The group with either side as m.
struct Sides {
  explicit Sides(const ContractionGroup& group) : groups{group, group} {
    groups[1] = swapped(group);
    for (size_t side : {0, 1}) layouts[side] = layout_of(groups[side]);
  }

  ContractionGroup groups[2];
  ContractionLayout layouts[2];
};

struct Tile {
  ContractionSchedule schedule;
  bool swapped = false;
};

// Fastest predicted first.
std::vector<Tile> ranked(const Sides& sides, const VectorTarget& target) {
  std::vector<Tile> tiles;
  for (size_t side : {0, 1}) {
    const int64_t m = volume(sides.layouts[side].m);
    for (int vectors = 1; vectors <= kMostVectors; ++vectors)
      for (int rows = 1; rows <= kMostRows && rows <= m; ++rows) {
        if (!fits_registers(rows, vectors, sides.groups[side].contraction, target)) continue;
        for (const bool batched : {false, true})
          if (!batched || may_be_batched(sides.groups[side], sides.layouts[side], target))
            tiles.push_back({make_schedule(sides.groups[side], sides.layouts[side], target, rows,
                                           vectors, batched),
                             side == 1});
      }
  }
  std::stable_sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) {
    return a.schedule.cycles < b.schedule.cycles;
  });
  return tiles;
}

TileChoice choice_of(const ContractionSchedule& s, bool swapped) {
  return {swapped, s.rows, s.vectors, s.batched, s.m_block, s.n_block, s.k_block, s.a, s.b};
}

// Cycles to finish one place: a step for each array that the epilogue reads or writes there, for as
// many lanes as lie side by side.
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

}  // namespace

const Read* affine_read(const Expr& operand, const NarrowProduct& product) {
  const Read* read = as<Read>(operand);
  if (product.unit != ProductUnit::none) {
    const Apply* apply = as<Apply>(operand);
    read = apply != nullptr && apply->fn == Fn::cast ? as<Read>(apply->args[0]) : nullptr;
    if (read != nullptr && size_of(read->tensor.type()) * product.group() != 4) return nullptr;
    if (read != nullptr && is_half(read->tensor.type()) != (product.unit == ProductUnit::dot_bf16))
      return nullptr;
  }
  return read != nullptr && address_of(*read) ? read : nullptr;
}

std::vector<PadEdge> edges_of(const Read& read) {
  std::vector<PadEdge> edges;
  for (size_t d = 0; d < read.indices.size(); ++d) {
    const int64_t extent = read.tensor.dims()[d].extent();
    const std::optional<IndexRange> range = index_range(read.indices[d].value);
    if (!read.indices[d].padded || (range && range->low >= 0 && range->high < extent)) continue;
    edges.push_back({*affine_form(read.indices[d].value), extent});
  }
  return edges;
}

std::vector<PadEdge> edges_of(const ContractionPlan& plan) {
  if (plan.schedule.a != Feed::direct) return {};
  return edges_of(*affine_read(plan.group.contraction.a, plan.schedule.product));
}

const Read* simple_read(const Expr& operand, const NarrowProduct& product) {
  const Read* read = affine_read(operand, product);
  return read != nullptr && edges_of(*read).empty() ? read : nullptr;
}

std::optional<Affine> simple_address(const Expr& operand, const NarrowProduct& product) {
  const Read* read = simple_read(operand, product);
  return read == nullptr ? std::nullopt : address_of(*read);
}

std::optional<Affine> packed_address(const Expr& operand) {
  const Apply* apply = as<Apply>(operand);
  if (apply != nullptr && apply->fn == Fn::cast) return packed_address(apply->args[0]);
  const Read* read = affine_read(operand);
  return read == nullptr ? std::nullopt : address_of(*read);
}

int64_t ContractionSchedule::batch_blocks(const IndexLevels& batch) const {
  if (!batched) return volume(batch);
  const int64_t innermost = batch.back().extent;
  return volume(batch) / innermost * ceil_div(innermost, lanes);
}

bool may_be_batched(const ContractionGroup& group, const ContractionLayout& layout,
                    const VectorTarget& target) {
  if (layout.batch.empty() || narrow_product(group.contraction, target).unit != ProductUnit::none)
    return false;
  return std::all_of(group.outputs.begin(), group.outputs.end(), [&](const Tensor& output) {
    return inner_step(address_of(output), layout.batch) == 1;
  });
}

ContractionSchedule make_schedule(const ContractionGroup& group, const ContractionLayout& layout,
                                  const VectorTarget& target, int rows, int vectors, bool batched) {
  const Contraction& c = group.contraction;
  const int64_t element = static_cast<int64_t>(size_of(c.type));
  ContractionSchedule s{.rows = rows, .vectors = vectors};
  s.lanes = static_cast<int>(std::max<int64_t>(1, target.vector_bytes / element));
  s.batched = batched;
  s.product = narrow_product(c, target);
  const int in_word = s.product.group();
  choose_blocks(s, layout, target, element, group.in_block);
  const int64_t m = volume(layout.m), n = volume(layout.n), k = volume(layout.k);
  if (!batched && rows <= kDirectRows && rows_are_streams(c, layout, s.product)) s.a = Feed::direct;
  const bool near = k * n * element <= kNearBytes;
  if (!batched && vectors_in_place(c, layout, s.lanes) &&
      (m <= 2 * rows || n <= s.columns() || near))
    s.b = Feed::direct;
  if (group.stays_b && s.b == Feed::packed && volume(layout.batch) == 1 &&
      n * k * element <= in_word * std::max<int64_t>(target.l3_bytes / 2, kKeptBytes)) {
    s.keeps_b = true;
    s.n_block = round_up(n, s.columns());
    s.chunks = ceil_div(m, s.m_block);
  }

  s.cycles = tile_cycles(m, n, k, in_word * cycles_of_pair(c, s.product), s);
  const double packed_of_a = s.a == Feed::packed ? 1 : edge_share(c, layout, s);
  if (packed_of_a > 0)
    s.cycles += packed_of_a * static_cast<double>(m * k * ceil_div(n, s.n_block)) *
                pack_cycles(c.a, layout, layout.m, s, s.rows, target);
  if (s.b == Feed::packed && !s.keeps_b)
    s.cycles +=
        static_cast<double>(n * k) * pack_cycles(c.b, layout, layout.n, s, s.columns(), target);
  s.cycles += static_cast<double>(m * n) * finish_cycles(group, layout, s, target);
  s.cycles *= static_cast<double>(s.batch_blocks(layout.batch));
  return s;
}

std::vector<TileChoice> tiles_of(const ContractionGroup& group, const VectorTarget& target) {
  std::vector<TileChoice> choices;
  for (const Tile& tile : ranked(Sides(group), target))
    choices.push_back(choice_of(tile.schedule, tile.swapped));
  return choices;
}

ContractionPlan plan_contraction(const ContractionGroup& group, const VectorTarget& target) {
  const Sides sides(group);
  const std::vector<Tile> tiles = ranked(sides, target);
  TESSERA_CHECK(!tiles.empty()) << "no tile for " << describe(group.contraction);
  const Tile& best = tiles.front();
  const size_t side = best.swapped ? 1 : 0;
  return {sides.groups[side], sides.layouts[side], best.schedule, best.swapped};
}

TileChoice choice_of(const ContractionPlan& plan) {
  return choice_of(plan.schedule, plan.swapped);
}

std::optional<ContractionPlan> plan_contraction(const ContractionGroup& group,
                                                const VectorTarget& target,
                                                const TileChoice& choice) {
  ContractionPlan plan{group, {}, {}, choice.swapped};
  if (choice.swapped) plan.group = swapped(group);
  plan.layout = layout_of(plan.group);
  const int64_t m = volume(plan.layout.m), n = volume(plan.layout.n), k = volume(plan.layout.k);
  const bool tile = choice.rows >= 1 && choice.rows <= std::min<int64_t>(kMostRows, m) &&
                    choice.vectors >= 1 && choice.vectors <= kMostVectors &&
                    fits_registers(choice.rows, choice.vectors, group.contraction, target);
  if (!tile) return std::nullopt;
  if (choice.batched && !may_be_batched(plan.group, plan.layout, target)) return std::nullopt;
  plan.schedule =
      make_schedule(plan.group, plan.layout, target, choice.rows, choice.vectors, choice.batched);
  ContractionSchedule& s = plan.schedule;
  const auto is_block = [](int64_t block, int64_t unit, int64_t extent) {
    return block >= unit && block % unit == 0 && block <= round_up(extent, unit);
  };
  if (!is_block(choice.m_block, s.rows, m) || !is_block(choice.n_block, s.columns(), n) ||
      !is_block(choice.k_block, s.product.group(), k))
    return std::nullopt;
  const Contraction& c = plan.group.contraction;
  if (choice.a == Feed::direct &&
      !(!s.batched && s.rows <= kDirectRows && rows_are_streams(c, plan.layout, s.product)))
    return std::nullopt;
  if (choice.b == Feed::direct && (s.batched || !vectors_in_place(c, plan.layout, s.lanes)))
    return std::nullopt;
  s.m_block = choice.m_block;
  s.n_block = choice.n_block;
  s.k_block = choice.k_block;
  s.a = choice.a;
  s.b = choice.b;
  s.chunks = s.batch_blocks(plan.layout.batch) * ceil_div(m, s.m_block) * ceil_div(n, s.n_block);
  return plan;
}

}  // namespace tessera
