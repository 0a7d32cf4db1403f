#include "codegen/tile_work.h"

#include <algorithm>
#include <cmath>

#include "codegen/contraction_schedule.h"
#include "codegen/narrow_product.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr double kLatency = 5;  // independent multiply-adds that keep a unit busy
constexpr double kBlock = 384;  // steps of k in one block
constexpr double kTileRows = 8, kTileVectors = 3;
constexpr double kShareOfLast = 0.5;  // of the last cache, which others use, too

double price_of(const WorkAmounts& amounts, const WorkAmounts& prices) {
  double sum = 0;
  for (size_t i = static_cast<size_t>(WorkKind::tile_step); i < kFirstLine; ++i)
    sum += amounts[i] * prices[i];
  return sum;
}

double store_pieces(const Contraction& c, const IndexLevels& n, int lanes) {
  const bool contiguous = inner_step(address_of(c.nest.out), n) == 1;
  return 1.0 / static_cast<double>(contiguous ? piece_within(n, lanes) : 1);
}

}  // namespace

TileWork::TileWork(const Contraction& c, const Dims& loops, const VectorTarget& target) {
  const int lanes =
      std::max(1, target.vector_bytes / static_cast<int>(size_of(sum_type(c.nest.body.type()))));
  lanes_ = lanes;
  const NarrowProduct product = narrow_product(c, target);
  group_ = product.group();
  pair_cycles_ = group_ * cycles_of_pair(c, product);
  for (const Dim& dim : loops)
    roles_.push_back(contains(c.m, dim)       ? Role::m
                     : contains(c.n, dim)     ? Role::n
                     : contains(c.k, dim)     ? Role::k
                     : contains(c.batch, dim) ? Role::batch
                                              : Role::solved);
  const ContractionLayout layout =
      layout_of({.contraction = c, .epilogue = {}, .inputs = {}, .outputs = {}});
  plain_ = {pack_of(c.a, layout.m, layout.k), pack_of(c.b, layout.n, layout.k),
            store_pieces(c, layout.n, lanes)};
  swapped_ = {plain_.b, plain_.a, store_pieces(c, layout.m, lanes)};

  std::vector<Expr> written;
  for (const Dim& dim : c.nest.out.dims()) written.push_back(make_index(dim));
  add_traffic(c.nest.out, written, loops);
  std::vector<Tensor> seen;
  for (const Expr& node : reads_of(c.nest)) {
    const Read* read = as<Read>(node);
    if (std::find(seen.begin(), seen.end(), read->tensor) != seen.end()) continue;
    seen.push_back(read->tensor);
    std::vector<Expr> indices;
    for (const Index& index : read->indices) indices.push_back(index.value);
    add_traffic(read->tensor, indices, loops);
  }
}

TileWork::Pack TileWork::pack_of(const Expr& operand, const IndexLevels& side,
                                 const IndexLevels& k) const {
  const auto lanes = static_cast<int64_t>(lanes_);
  const std::optional<Affine> form = packed_address(operand);
  if (form && inner_step(*form, side) == 1)
    return {WorkKind::pack_vector, 1.0 / static_cast<double>(piece_within(side, lanes))};
  if (form && inner_step(*form, k) == 1)
    return {WorkKind::pack_across, 1.0 / static_cast<double>(piece_within(k, lanes))};
  return {WorkKind::pack_element, 1};
}

void TileWork::add_traffic(const Tensor& tensor, const std::vector<Expr>& indices,
                           const Dims& loops) {
  Traffic t{.element_bytes = static_cast<double>(size_of(tensor.type())),
            .indices = {},
            .limits = extents(tensor.dims())};
  for (size_t d = 0; d < indices.size(); ++d) {
    std::vector<Term>& terms = t.indices.emplace_back();
    const std::optional<Affine> form = affine_form(indices[d]);
    for (const Dim& dim : indices[d].dims()) {
      const int at = position(loops, dim);
      const int64_t reach = form && form->terms.count(dim) ? std::abs(form->terms.at(dim))
                            : form                         ? 0
                                                           : t.limits[d];  // a gather: all
      if (at >= 0) terms.push_back({static_cast<size_t>(at), reach});
    }
  }
  traffic_.push_back(std::move(t));
}

void TileWork::add_tiles(WorkAmounts& amounts, double m, double n, double k, double batch,
                         const Side& side) const {
  const auto add = [&](WorkKind work, double amount) {
    amounts[static_cast<size_t>(work)] += batch * amount;
  };
  const double vectors = std::ceil(n / lanes_);
  const double in_tile = std::min(m, kTileRows) * std::min(vectors, kTileVectors);
  const double stall = std::max(1.0, kLatency / std::max(1.0, in_tile));
  add(WorkKind::tile_step, m * vectors * k / group_ * std::max(stall, pair_cycles_));
  add(WorkKind::tile_row, m * vectors * std::ceil(k / kBlock));
  if (m > 2 * kTileRows) add(side.b.work, side.b.amount * n * k);
  if (vectors > kTileVectors) add(side.a.work, side.a.amount * m * k);
  add(WorkKind::tile_store, side.store * m * n);
}

double TileWork::bytes(std::span<const int64_t> extents) const {
  double total = 0;
  for (const Traffic& tensor : traffic_) {
    double elements = 1;
    for (size_t d = 0; d < tensor.indices.size(); ++d) {
      int64_t span = 1;
      for (const Term& term : tensor.indices[d])
        span += term.coefficient * (extents[term.loop] - 1);
      elements *= static_cast<double>(std::clamp<int64_t>(span, 0, tensor.limits[d]));
    }
    total += elements * tensor.element_bytes;
  }
  return total;
}

void TileWork::add_to(WorkAmounts& amounts, std::span<const int64_t> extents,
                      const VectorTarget& target, const WorkAmounts& prices) const {
  double volumes[] = {1, 1, 1, 1, 1};  // by role
  for (size_t i = 0; i < roles_.size(); ++i)
    volumes[static_cast<int>(roles_[i])] *= static_cast<double>(extents[i]);
  const auto [batch, m, n, k, solved] = volumes;
  WorkAmounts plain{}, swapped{};
  add_tiles(plain, m, n, k, batch, plain_);
  add_tiles(swapped, n, m, k, batch, swapped_);
  const WorkAmounts& best = price_of(plain, prices) <= price_of(swapped, prices) ? plain : swapped;
  for (size_t i = 0; i < kWorks; ++i) amounts[i] += best[i];

  const double moved = bytes(extents);
  const auto lines = [&](WorkKind work, double cache) {
    if (moved > cache) amounts[static_cast<size_t>(work)] += moved / 64;
  };
  lines(WorkKind::line_l2, static_cast<double>(target.l1_bytes));
  lines(WorkKind::line_l3, static_cast<double>(target.l2_bytes));
  lines(WorkKind::line_memory, static_cast<double>(target.l3_bytes) * kShareOfLast);
}

}  // namespace tessera
