#include "codegen/kernel_model.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "codegen/contraction.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "codegen/solve_guards.h"
#include "ir/product.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Fitted on Zen 4 (AVX-512) over the shapes of tests/codegen/kernel_model_test.cpp and the
// contraction benchmark; in cycles of one vector multiply-add unless said otherwise.
constexpr double kLaunchSeconds = 0.6e-6;
constexpr double kThreadSeconds = 2e-6;  // waking others and waiting for them
constexpr double kTileCycles = 3;        // per row and vector and k block: enter, leave
constexpr double kLatency = 5;           // independent multiply-adds that keep a unit busy
constexpr double kBlock = 384;           // steps of k in one block
constexpr double kChunkCycles = 60e3;    // work is not split finer
constexpr double kSlack = 1.06;          // tiles against the registers-only peak
constexpr double kScalarAccess = 1.0;    // a strided or gathered element
constexpr double kReusedLoad = 0.4;  // a vector load in a reduction that keeps some in registers
constexpr double kTileRows = 8, kTileVectors = 3;

// Cycles for each element of packing along `side`, and of storing.
double pack_cost(const Expr& operand, const IndexLevels& side, const IndexLevels& k, int lanes) {
  const std::optional<Affine> form = packed_address(operand);
  if (!form) return 2;
  if (inner_step(*form, side) == 1) return 2.0 / static_cast<double>(piece_within(side, lanes));
  if (inner_step(*form, k) == 1) return 6.0 / static_cast<double>(piece_within(k, lanes));
  return 2;
}

double store_cost(const Contraction& c, const IndexLevels& n, int lanes) {
  const bool contiguous = inner_step(address_of(c.nest.out), n) == 1;
  return 3.0 / static_cast<double>(contiguous ? piece_within(n, lanes) : 1);
}

// Cycles of one point of a general nest whose lanes run along `lane`: vector instructions for what
// is contiguous or does not vary, an access a lane for the rest.
double cycles_along(const Nest& nest, const Dim& lane, double flops, int lanes) {
  double vectors = flops, scalars = 0;
  const auto access = [&](const std::optional<Affine>& form) {
    const auto at = form ? form->terms.find(lane) : std::map<Dim, int64_t>::const_iterator{};
    if (!form || (at != form->terms.end() && at->second != 1))
      scalars += 1;
    else
      vectors += nest.op ? kReusedLoad : 1;
  };
  for (const Expr& node : reads_of(nest)) access(address_of(*as<Read>(node)));
  if (!nest.op) access(address_of(nest.out));
  return vectors / lanes + scalars * kScalarAccess;
}

double cycles_of_point(const Nest& nest, int lanes) {
  const double points = static_cast<double>(volume(nest.loops()));
  const double flops = points > 0 ? flops_of(nest) / points / 2 : 1;
  double best = flops + 1 + static_cast<double>(reads_of(nest).size());
  for (const Dim& lane : nest.loops())
    best = std::min(best, cycles_along(nest, lane, flops, lanes));
  return best;
}

// The share of a solved nest's points at which something is done: what a scatter adds goes to its
// place at once, and a scan keeps what it has.
double share_done(const Nest& solved) {
  if (const std::optional<Scan> scan = find_scan(solved)) return share_of_steps(*scan);
  const std::optional<Scatter> scatter = find_scatter(solved);
  return scatter ? 1 / static_cast<double>(std::max<int64_t>(volume(scatter->targets), 1)) : 1;
}

// Cycles of one point of the nest as it stands, when equations among its guards are solved first:
// most points then cost nothing.
double cycles_as_compiled(const Nest& nest, int lanes) {
  const double points = static_cast<double>(volume(nest.loops()));
  if (points == 0) return cycles_of_point(nest, lanes);
  const Nest solved = solve_guards(nest);
  const double left = static_cast<double>(volume(solved.loops())) * share_done(solved);
  return cycles_of_point(solved, lanes) * left / points;
}

// Each operand is computed once where it is packed, however many elements of the other it meets.
double operations_of(const Contraction& c) {
  double total = points_of(c.nest.loops()) * (c.pair ? 1 + flops_of(c.pair->value) : 2);
  for (const Expr& operand : {c.a, c.b}) total += flops_of(operand) * points_of(operand.dims());
  if (c.scale) total += (1 + flops_of(*c.scale)) * points_of(c.nest.out.dims());
  return total;
}

}  // namespace

double operations_of(const Nest& nest) {
  const Nest solved = solve_guards(nest);
  const std::optional<Contraction> contraction = find_contraction(solved);
  if (contraction && worth_tiling(*contraction)) return operations_of(*contraction);
  return flops_of(solved) * share_done(solved);
}

KernelModel::KernelModel(const Nest& nest, const Machine& machine) : machine_(machine) {
  const Dims loops = nest.loops();
  const double element = static_cast<double>(size_of(sum_type(nest.body.type())));
  lanes_ = std::max(1, static_cast<int>(machine.vectors.vector_bytes / element));
  cycle_ = 2e-9 * machine.vectors.vector_bytes / 4 / std::max(1e-3, machine.peak_gflops);

  std::vector<Expr> written;
  for (const Dim& dim : nest.out.dims()) written.push_back(make_index(dim));
  add_traffic(nest.out, written, loops);
  std::vector<Tensor> seen;
  for (const Expr& node : reads_of(nest)) {
    const Read* read = as<Read>(node);
    if (std::find(seen.begin(), seen.end(), read->tensor) != seen.end()) continue;
    seen.push_back(read->tensor);
    std::vector<Expr> indices;
    for (const Index& index : read->indices) indices.push_back(index.value);
    add_traffic(read->tensor, indices, loops);
  }

  const std::optional<Contraction> contraction = find_contraction(nest);
  tiled_ = contraction && worth_tiling(*contraction);
  if (!tiled_) {
    point_cycles_ = cycles_as_compiled(nest, lanes_);
    return;
  }
  const Contraction& c = *contraction;
  const NarrowProduct product = narrow_product(c, machine.vectors);
  group_ = product.group();
  pair_cycles_ = group_ * cycles_of_pair(c, product);
  for (const Dim& dim : loops)
    roles_.push_back(contains(c.batch, dim) ? Role::batch
                     : contains(c.m, dim)   ? Role::m
                     : contains(c.n, dim)   ? Role::n
                                            : Role::k);
  const ContractionLayout layout =
      layout_of({.contraction = c, .epilogue = {}, .inputs = {}, .outputs = {}});
  plain_ = {pack_cost(c.a, layout.m, layout.k, lanes_), pack_cost(c.b, layout.n, layout.k, lanes_),
            store_cost(c, layout.n, lanes_)};
  swapped_ = {plain_.pack_n, plain_.pack_m, store_cost(c, layout.m, lanes_)};
}

void KernelModel::add_traffic(const Tensor& tensor, const std::vector<Expr>& indices,
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

double KernelModel::tiled_cycles(std::span<const int64_t> extents) const {
  double volumes[4] = {1, 1, 1, 1};
  for (size_t i = 0; i < roles_.size(); ++i)
    volumes[static_cast<int>(roles_[i])] *= static_cast<double>(extents[i]);
  const auto [batch, first, second, k] = volumes;
  const double blocks = std::ceil(k / kBlock);
  const auto cycles = [&, k_steps = k](double m, double n, const Side& side) {
    const double vectors = std::ceil(n / lanes_);
    const double in_tile = std::min(m, kTileRows) * std::min(vectors, kTileVectors);
    const double stall = std::max(1.0, kLatency / std::max(1.0, in_tile));
    const double multiply =
        m * vectors * (k_steps / group_ * std::max(stall, pair_cycles_) + blocks * kTileCycles) *
        kSlack;
    const double pack_n = m > 2 * kTileRows ? side.pack_n * n * k_steps : 0;
    const double pack_m = vectors > kTileVectors ? std::min(side.pack_m, 0.5) * m * k_steps / 4 : 0;
    return multiply + pack_n + pack_m + side.store * m * n;
  };
  return batch * std::min(cycles(first, second, plain_), cycles(second, first, swapped_));
}

double KernelModel::compute_cycles(std::span<const int64_t> extents) const {
  if (tiled_) return tiled_cycles(extents);
  double points = 1;
  for (const int64_t extent : extents) points *= static_cast<double>(extent);
  return points * point_cycles_;
}

double KernelModel::bytes(std::span<const int64_t> extents) const {
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

double KernelModel::seconds(std::span<const int64_t> extents, int threads) const {
  const double cycles = compute_cycles(extents);
  const double moved = bytes(extents);
  const double wanted = std::min(threads, machine_.cores);
  const double chunks = std::clamp(std::floor(cycles / kChunkCycles), 1.0, 64.0);
  const double used = chunks / std::ceil(chunks / std::max(1.0, wanted));

  const double near = machine_.cache_bandwidth * used;
  const double far =
      machine_.bandwidth + (machine_.bandwidth_all - machine_.bandwidth) *
                               (machine_.cores > 1 ? (used - 1) / (machine_.cores - 1) : 0);
  const double l2 = static_cast<double>(machine_.vectors.l2_bytes) * used;
  const double rate = moved <= l2 ? near : moved <= 4 * l2 ? std::sqrt(near * far) : far;
  const double compute = cycles * cycle_ / used, memory = moved * 1e-9 / std::max(1e-3, rate);
  const double launch = kLaunchSeconds + (used > 1 ? kThreadSeconds : 0);
  return launch + std::max(compute, memory) + 0.3 * std::min(compute, memory);
}

double predict_seconds(const Nest& local, const Machine& machine, int threads) {
  return KernelModel(local, machine).seconds(extents(local.loops()), threads);
}

}  // namespace tessera
