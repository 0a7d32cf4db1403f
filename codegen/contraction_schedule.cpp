#include "codegen/contraction_schedule.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "base/dtype.h"
#include "base/error.h"
#include "codegen/contraction_prices.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

constexpr int kDirectRows = 8;  // row pointers that fit general registers
constexpr int kMostRows = 14, kMostVectors = 4;

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

// Neighbours along the flattened index that lie side by side in memory, from where a run begins.
int64_t run_along(const Affine& form, const IndexLevels& levels) {
  int64_t run = 1;
  for (size_t i = levels.size(); i-- > 0 && step_of(form, levels[i]) == run;)
    run *= levels[i].extent;
  return run;
}

// Tiles may read a in place: its rows lie in order along k, or side by side. What a guard leaves
// out is known of packed operands only, and words are joined from steps that follow one another.
bool rows_in_place(const Contraction& c, const ContractionLayout& layout,
                   const ContractionSchedule& s) {
  if (s.batched || s.rows > kDirectRows || c.guarded_a || c.guarded_b) return false;
  const Read* read = affine_read(c.a, s.product);
  if (read == nullptr) return false;
  const Affine form = *address_of(*read);
  const int group = s.product.group();
  if (group == 1 && inner_step(form, layout.m) == 1) return true;
  if (inner_step(form, layout.k) != 1 || layout.k.back().extent % group != 0) return false;
  return layout.k.size() == 1 || run_along(form, layout.k) >= 4 * int64_t{group};
}

// Runs of k that meet only the pad of b are left out where a is packed, which looks whether all of
// it is finite.
bool skips_pads(const ContractionSchedule& s, const ContractionLayout& layout) {
  return s.a == Feed::packed && s.product.unit == ProductUnit::none && !s.batched &&
         layout.pads_of_b.live_share(s.columns()) < 1;
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
constexpr int64_t kLeastPanels = 4;  // of b, for which a is packed again

// Steps of k that are worth leaving out by themselves.
constexpr int64_t kLeastRun = 16;

// An operand up to this size may stay packed, where the last cache is smaller or not known.
constexpr int64_t kKeptBytes = 4 << 20;

// An operand up to this size stays in the first cache, packed or not.
constexpr int64_t kNearBytes = 16 << 10;

// So many products of floats are added one after the other in a block of k.
constexpr int64_t kMostFloats = 384;

// Of panels whose places hold a vector, which fill caches sooner.
constexpr int64_t kBatchedK = 96, kBatchedM = 48, kBatchedN = 256;

// Rows of b as far apart as this are no stream that processors would follow by themselves.
constexpr int64_t kFarApart = 256;

// Bytes of what a read may touch.
int64_t bytes_of(const Tensor& tensor) {
  return volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
}

// Does it pay to fetch what is read where it lies before it is needed? Only what comes from beyond
// the second-level cache. Of a, panels of short rows that lie one behind the other: each row is
// over before it is known for a stream.
void choose_fetches(ContractionSchedule& s, const Contraction& c, const ContractionLayout& layout,
                    const VectorTarget& target) {
  s.fetches_a = s.fetches_b = false;
  const auto element = static_cast<int64_t>(size_of(c.type));
  if (s.b == Feed::direct) {
    const Read& read = *simple_read(c.b);
    const std::optional<int64_t> step = single_step(*address_of(read), layout.k);
    s.fetches_b = step && std::abs(*step) * element >= kFarApart && std::abs(*step) > s.columns() &&
                  bytes_of(read.tensor) > target.l2_bytes;
  }
  if (s.a == Feed::direct && s.product.unit == ProductUnit::none) {
    const Read& read = *affine_read(c.a, s.product);
    const Affine form = *address_of(read);
    const int64_t k = volume(layout.k);
    s.fetches_a = edges_of(read).empty() && single_step(form, layout.k) == 1 &&
                  single_step(form, layout.m) == k && s.k_block >= k &&
                  volume(layout.n) <= s.columns() && bytes_of(read.tensor) > target.l2_bytes;
  }
}

// May all of m be one chunk, which keeps its sums while blocks of k go by? Threads want more chunks
// than that.
bool holds_all_of_m(const ContractionSchedule& s, const ContractionLayout& layout,
                    const VectorTarget& target, int64_t element, bool in_block) {
  const int64_t m = volume(layout.m), n = volume(layout.n);
  const int64_t k_blocks = ceil_div(volume(layout.k), s.k_block);
  const int64_t others = s.batch_blocks(layout.batch) * ceil_div(n, s.n_block);
  const bool enough = target.threads == 1 || in_block || others >= 4 * target.threads;
  const int64_t sums = round_up(m, s.m_block) * std::min(round_up(n, s.columns()), s.n_block);
  const int64_t kept = k_blocks > kPlainBlocks ? 2 : 1;
  return k_blocks > 1 && enough && sums * kept * element <= target.l2_bytes / 2;
}

// What follows from blocks and feeds: where all of m is one chunk, it has a block of k of both
// operands in cache at a time, and neither is written to memory in between.
void settle(ContractionSchedule& s, const ContractionGroup& group, const ContractionLayout& layout,
            const VectorTarget& target) {
  const int64_t m = volume(layout.m), n = volume(layout.n), k = volume(layout.k);
  const int64_t k_blocks = ceil_div(k, s.k_block);
  const auto element = static_cast<int64_t>(size_of(group.contraction.type));
  s.m_chunk = s.m_block;
  if (!s.keeps_b && holds_all_of_m(s, layout, target, element * s.width(), group.in_block))
    s.m_chunk = round_up(m, s.m_block);
  choose_fetches(s, group.contraction, layout, target);
  s.skips_pads = skips_pads(s, layout);
  s.b_by_block = s.b == Feed::packed && !s.keeps_b && k_blocks > 1 && m <= s.m_chunk;
  s.chunks = s.batch_blocks(layout.batch) * ceil_div(m, s.m_chunk) * ceil_div(n, s.n_block);
}

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
  const int64_t most_n = s.batched ? kBatchedN : 1024;
  s.n_block = even_block(n, std::min<int64_t>(panels * s.columns(), most_n), s.columns());
  // Each thread packs the b of its own blocks; of one block, each would pack all of it.
  if (!in_block && target.threads > 1 && s.n_block >= n && volume(layout.batch) < target.threads)
    s.n_block = even_block(n, std::max(ceil_div(n, target.threads), kLeastPanels * s.columns()),
                           s.columns());
  const auto count = [&] {
    return s.batch_blocks(layout.batch) * ceil_div(m, s.m_block) * ceil_div(n, s.n_block);
  };
  const auto chunk_cycles = [&] {
    return static_cast<double>(s.m_block * s.n_block * k) / static_cast<double>(s.n_lanes());
  };
  s.k_block *= group;
  // A block of k of b alone is small enough whatever k is.
  ContractionSchedule whole = s;
  whole.n_block = even_block(
      n, std::min(most_n, target.l2_bytes / 2 / (s.k_block / group * element)), s.columns());
  if (whole.n_block > s.n_block && holds_all_of_m(whole, layout, target, element, in_block))
    s.n_block = whole.n_block;
  while (!in_block && target.threads > 1 && count() < kWantedChunks * target.threads &&
         chunk_cycles() > 2 * kLeastChunk) {
    if (s.m_block > 8 * s.rows && m > s.rows)
      s.m_block = even_block(m, s.m_block / 2, s.rows);
    else if (s.n_block > 2 * s.columns())
      s.n_block = even_block(n, s.n_block / 2, s.columns());
    else
      break;
  }
}

// A product with the pad of b adds nothing, as long as a is finite.
ContractionLayout layout_for(const ContractionGroup& group) {
  ContractionLayout layout = layout_of(group);
  const Contraction& c = group.contraction;
  const Read* b = affine_read(c.b);
  if (b != nullptr && b->pad && b->pad->number() == 0 && !c.pair && !c.guarded_a && !c.guarded_b)
    layout.pads_of_b = pad_runs(*b, layout, kLeastRun);
  return layout;
}

// The group with either side as m.
struct Sides {
  explicit Sides(const ContractionGroup& group) : groups{group, group} {
    groups[1] = swapped(group);
    for (size_t side : {0, 1}) layouts[side] = layout_for(groups[side]);
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
  const bool near = k * n * element <= kNearBytes;
  if (!batched && vectors_in_place(c, layout, s.lanes) &&
      (m <= 2 * rows || n <= s.columns() || near))
    s.b = Feed::direct;
  if (group.stays_b && s.b == Feed::packed && volume(layout.batch) == 1 &&
      n * k * element <= in_word * std::max<int64_t>(target.l3_bytes / 2, kKeptBytes)) {
    s.keeps_b = true;
    s.n_block = round_up(n, s.columns());
  }
  const double of_tiles = tile_cycles(m, n, k, in_word * cycles_of_pair(c, s.product), s, target);
  const double live = skips_pads(s, layout) ? layout.pads_of_b.live_share(s.columns()) : 1;
  const double packed = packed_a_cycles(c, layout, s, target);
  s.cycles = packed + live * of_tiles;
  if (rows_in_place(c, layout, s)) {
    const double direct = direct_a_cycles(c, layout, s, target, packed) + of_tiles;
    if (direct <= s.cycles) s.a = Feed::direct;
    s.cycles = std::min(direct, s.cycles);
  }
  settle(s, group, layout, target);
  if (s.b == Feed::packed && !s.keeps_b)
    s.cycles +=
        static_cast<double>(n * k) * pack_cycles(c.b, layout, layout.n, s, s.columns(), target) +
        stream_cycles(c.b, layout, target);
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
  plan.layout = layout_for(plan.group);
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
  if (choice.a == Feed::direct && !rows_in_place(c, plan.layout, s)) return std::nullopt;
  if (choice.b == Feed::direct && (s.batched || !vectors_in_place(c, plan.layout, s.lanes)))
    return std::nullopt;
  s.m_block = choice.m_block;
  s.n_block = choice.n_block;
  s.k_block = choice.k_block;
  s.a = choice.a;
  s.b = choice.b;
  settle(s, plan.group, plan.layout, target);
  return plan;
}

}  // namespace tessera
