#include "codegen/gpu/gpu_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "codegen/contraction_layout.h"
#include "codegen/gpu/gpu_schedule.h"
#include "codegen/lower.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// A shape, and which share of the peak it reaches when there are enough of it.
struct Candidate {
  GpuTileShape shape;
  double efficiency;
};
constexpr Candidate kSmallElements[] = {
    {{128, 128, 16, 8, 8}, 1.0}, {{128, 64, 16, 8, 4}, 0.85}, {{64, 128, 16, 4, 8}, 0.85},
    {{64, 64, 16, 4, 4}, 0.7},   {{128, 32, 16, 4, 4}, 0.6},  {{32, 128, 16, 4, 4}, 0.6},
    {{128, 16, 16, 4, 4}, 0.45}, {{16, 128, 16, 4, 4}, 0.45}, {{32, 32, 16, 2, 4}, 0.35}};
constexpr Candidate kLargeElements[] = {{{64, 64, 16, 4, 4}, 1.0},
                                        {{64, 32, 16, 4, 4}, 0.8},
                                        {{32, 64, 16, 4, 4}, 0.8},
                                        {{32, 32, 16, 2, 4}, 0.6}};
// Of units for matrices, four warps each; their depth and stages follow.
constexpr Candidate kMatrices[] = {
    {{128, 128, 0, 64, 64}, 1.0}, {{128, 64, 0, 64, 32}, 0.8},  {{64, 128, 0, 32, 64}, 0.8},
    {{64, 64, 0, 32, 32}, 0.55},  {{128, 32, 0, 32, 32}, 0.45}, {{32, 128, 0, 32, 32}, 0.45},
    {{128, 16, 0, 32, 16}, 0.28}, {{16, 128, 0, 16, 32}, 0.28}, {{32, 32, 0, 16, 16}, 0.3}};
constexpr int kLineBytes = 64;  // of their depth
constexpr int kMostStages = 4;
constexpr int kMostRegisters = 160;  // of sums and of what is fetched
constexpr int kLeastSums = 8;        // of a thread, in the smallest part of a warp
constexpr int kPad = 4;              // elements, so that lines begin in different banks

int64_t tiles(int64_t extent, int size) {
  return (extent + size - 1) / size;
}

int64_t step_along(const Affine& form, const Dim& dim) {
  const auto at = form.terms.find(dim);
  return at == form.terms.end() ? 0 : std::abs(at->second);
}

std::vector<Affine> addresses_in(const Expr& expr) {
  std::vector<Affine> forms;
  for (const Expr& node : subexpressions(expr))
    if (const Read* read = as<Read>(node))
      if (const std::optional<Affine> form = address_of(*read)) forms.push_back(*form);
  return forms;
}

// Outermost the longest steps; extents of 1 are left out, as lower() does.
Dims by_steps(Dims dims, const std::vector<Affine>& forms) {
  std::erase_if(dims, [](const Dim& dim) { return dim.extent() == 1; });
  const auto weight = [&](const Dim& dim) {
    int64_t sum = 0;
    for (const Affine& form : forms) sum += step_along(form, dim);
    return sum;
  };
  std::stable_sort(dims.begin(), dims.end(),
                   [&](const Dim& x, const Dim& y) { return weight(x) > weight(y); });
  return dims;
}

TileFormula formula_of(const KernelGroup& part, const ContractionGroup& whole) {
  const Contraction& c = whole.contraction;
  TileFormula formula{lower(part, {c.batch, c.m, c.n, c.k}), -1, {}};
  const std::vector<Tensor> all = whole.arguments();
  for (const std::vector<Tensor>* tensors : {&part.inputs, &part.outputs})
    for (const Tensor& tensor : *tensors) {
      // A tensor that is read and written appears twice; the last one is what is written.
      const auto at = std::find(all.rbegin(), all.rend(), tensor);
      formula.arguments.push_back(static_cast<int>(all.rend() - at) - 1);
    }
  return formula;
}

// An operand as if it were stored for each of its points.
TileFormula operand_of(const Expr& value, const Dims& dims, const ContractionGroup& group) {
  const Tensor out = make_tensor("operand", dims, value.type(), Role::definition);
  TileFormula formula = formula_of(make_group({{out, {}, {}, value}}, {out}), group);
  const Stage& stage = formula.nest.stages.at(0);
  formula.node = (stage.inner.empty() ? stage.outer : stage.inner).at(0).node;
  return formula;
}

// The load of a tensor; -1 where it is not read.
int load_of(const TileFormula& formula, const KernelGroup& part, const Tensor& tensor) {
  for (size_t i = 0; i < formula.nest.nodes.size(); ++i) {
    const Node& node = formula.nest.nodes[i];
    if (node.kind != Node::Kind::load) continue;
    const int argument = formula.nest.buffers[static_cast<size_t>(node.address.buffer)].argument;
    if (argument >= 0 && static_cast<size_t>(argument) < part.inputs.size() &&
        part.inputs[static_cast<size_t>(argument)] == tensor)
      return static_cast<int>(i);
  }
  return -1;
}

int loop_with(const LoopNest& nest, const Dim& innermost) {
  for (size_t i = 0; i < nest.loops.size(); ++i)
    if (!nest.loops[i].dims.empty() && nest.loops[i].dims.back() == innermost)
      return static_cast<int>(i);
  return -1;
}

// Lanes along the innermost dim of a role, at which all of `addresses` that depend on it advance by
// one element, in whole and aligned vectors of 16 bytes at most.
int lanes_along(const LoopNest& nest, const Dims& role,
                const std::vector<const Address*>& addresses, int most) {
  if (role.empty()) return 1;
  const int loop = loop_with(nest, role.back());
  if (loop < 0) return 1;
  // The dims of the loop are the innermost ones of the role, in its order.
  const Dims& dims = nest.loops[static_cast<size_t>(loop)].dims;
  if (dims.size() > role.size() || !std::equal(dims.rbegin(), dims.rend(), role.rbegin())) return 1;
  const auto depends = [&](int node) {
    return (nest.nodes[static_cast<size_t>(node)].loops >> loop & 1) != 0;
  };
  int64_t lanes = most;
  bool any = false;
  for (const Address* address : addresses) {
    for (const auto& [node, stride] : address->terms)
      if (depends(node)) return 1;
    for (const Guard& guard : address->guards)
      if (guard.affine.coefficient(loop) != 0 || (guard.node >= 0 && depends(guard.node))) return 1;
    const int64_t step = address->affine.coefficient(loop);
    if (step == 0) continue;
    if (step != 1) return 1;
    any = true;
    const auto size =
        static_cast<int64_t>(size_of(nest.buffers[static_cast<size_t>(address->buffer)].type));
    lanes = std::min(lanes, std::max<int64_t>(1, kGpuVectorBytes / size));
    const auto fits = [&] {
      const int64_t bytes = lanes * size;
      if (address->affine.constant * size % bytes != 0) return false;
      for (const auto& [other, by] : address->affine.terms)
        if (other != loop && by * size % bytes != 0) return false;
      for (const auto& [node, by] : address->terms)
        if (by * size % bytes != 0) return false;
      return true;
    };
    while (lanes > 1 && !fits()) lanes /= 2;
  }
  while (lanes > 1 && nest.loops[static_cast<size_t>(loop)].extent % lanes != 0) lanes /= 2;
  return any ? static_cast<int>(lanes) : 1;
}

std::vector<const Address*> loads_of(const LoopNest& nest) {
  std::vector<const Address*> result;
  for (const Node& node : nest.nodes)
    if (node.kind == Node::Kind::load) result.push_back(&node.address);
  return result;
}

// Bytes of loads that go on by one element along the innermost dim of the role.
bool is_contiguous(const LoopNest& nest, const Dims& role) {
  if (role.empty()) return false;
  const int loop = loop_with(nest, role.back());
  const std::vector<const Address*> loads = loads_of(nest);
  return loop >= 0 && std::any_of(loads.begin(), loads.end(), [&](const Address* address) {
           return address->affine.coefficient(loop) == 1;
         });
}

TileLoad load_for(const GpuTile& tile, const LoopNest& nest, const Dims& own, int side) {
  const int most =
      tile.narrow ? SharedTile::kChunkBytes / static_cast<int>(tile.narrow->bytes()) : 4;
  const int by_k = lanes_along(nest, tile.k, loads_of(nest), std::min(most, tile.shape.depth));
  const int by_own = lanes_along(nest, own, loads_of(nest), std::min(most, side));
  if (by_own > by_k) return {false, by_own};
  if (by_k > by_own) return {true, by_k};
  return {!is_contiguous(nest, own), by_k};
}

// Units for matrices turn squares of elements of 16 bits as they read them, so that lines may run
// as the operand is loaded.
SharedTile shared_tile(const GpuTile& tile, int side, DType type, const TileLoad& load) {
  if (!tile.narrow)
    return {.lines = tile.shape.depth,
            .width = side,
            .element_bytes = static_cast<int>(size_of(sum_type(type))),
            .pad = kPad};
  const auto bytes = static_cast<int>(tile.narrow->bytes());
  const bool along_k = bytes != 2 || load.along_k;
  return {.along_k = along_k,
          .lines = along_k ? side : tile.shape.depth,
          .width = along_k ? tile.shape.depth : side,
          .element_bytes = bytes,
          .turned = true};
}

bool is_zero(const Scalar& value) {
  return is_float(value.type) ? value.f == 0 && !std::signbit(value.f) : value.i == 0;
}

// The load that a formula is, of elements of this type, but for a conversion; -1 where it is none.
int load_behind(const TileFormula& formula, DType type) {
  const auto node_at = [&](int node) -> const Node& {
    return formula.nest.nodes[static_cast<size_t>(node)];
  };
  int node = formula.node;
  if (node_at(node).kind == Node::Kind::apply && node_at(node).fn == Fn::cast)
    node = node_at(node).args[0];
  const Node& load = node_at(node);
  return load.kind == Node::Kind::load && load.type == type ? node : -1;
}

// Which load may be copied without passing through registers; see TileLoad.
int copied_load(const TileFormula& formula, DType stored, const TileLoad& load,
                const SharedTile& shared) {
  const int node = load_behind(formula, stored);
  if (node < 0 || load.along_k != shared.along_k ||
      static_cast<int>(size_of(stored)) != shared.element_bytes ||
      load.lanes * shared.element_bytes != SharedTile::kChunkBytes ||
      shared.line_bytes() % SharedTile::kChunkBytes != 0)
    return -1;
  const Node& read = formula.nest.nodes[static_cast<size_t>(node)];
  const std::vector<Guard>& guards = read.address.guards;
  const bool faults = std::any_of(guards.begin(), guards.end(),
                                  [](const Guard& guard) { return guard.fault != 0; });
  const NestBuffer& buffer = formula.nest.buffers[static_cast<size_t>(read.address.buffer)];
  return faults || buffer.elements == 0 || (!guards.empty() && !is_zero(read.value)) ? -1 : node;
}

bool last_dim_is_in(const Dims& dims, const Contraction& c) {
  for (size_t i = c.nest.out.dims().size(); i-- > 0;)
    if (c.nest.out.dims()[i].extent() > 1) return contains(dims, c.nest.out.dims()[i]);
  return false;
}

// Are the flattened indices numbers of 32 bits?
bool has_small_sides(const Contraction& c) {
  constexpr int64_t kMost = int64_t{1} << 30;
  return volume(c.m) < kMost && volume(c.n) < kMost && volume(c.k) < kMost &&
         volume(c.nest.out.dims()) / 64 < kMost;
}

bool has_tile_types(const Contraction& c) {
  const auto fits = [](DType type) { return type != DType::b8 && !is_small_integer(type); };
  return fits(c.type) && sum_type(c.type) == sum_type(c.nest.out.type()) && fits(c.a.type()) &&
         fits(c.b.type());
}

KernelGroup pair_group(const PairBody& pair) {
  const Tensor out = make_tensor("pair", {}, pair.value.type(), Role::definition);
  return make_group({{out, {}, {}, pair.value}}, {out});
}

// R = T * scale, and what follows.
KernelGroup result_group(const ContractionGroup& group, const Tensor& sum) {
  const Contraction& c = group.contraction;
  Expr value = make_read(sum);
  if (c.scale) value = make_apply(Fn::mul, {value, *c.scale});
  std::vector<Nest> nests = {{c.nest.out, {}, {}, value}};
  nests.insert(nests.end(), group.epilogue.begin(), group.epilogue.end());
  return make_group(std::move(nests), {group.outputs.begin(), group.outputs.end()});
}

}  // namespace

int64_t GpuTile::row_tiles() const {
  return tiles(volume(m), shape.rows);
}
int64_t GpuTile::column_tiles() const {
  return tiles(volume(n), shape.columns);
}
int64_t GpuTile::blocks() const {
  return volume(batch) * row_tiles() * column_tiles();
}

SharedTile GpuTile::shared_a() const {
  return shared_tile(*this, shape.rows, group.contraction.a.type(), load_a);
}
SharedTile GpuTile::shared_b() const {
  return shared_tile(*this, shape.columns, group.contraction.b.type(), load_b);
}
size_t GpuTile::stage_bytes() const {
  return static_cast<size_t>(shared_a().bytes() + shared_b().bytes());
}
size_t GpuTile::shared_bytes() const {
  return stage_bytes() * static_cast<size_t>(shape.stages);
}

double products_at_once(const std::optional<NarrowTypes>& narrow) {
  return !narrow ? 1 : narrow->bytes() == 1 ? 16 : 8;
}

namespace {

// Among tiles whose parts have no more sums than that.
GpuTileShape choose_tile(const Contraction& c, int64_t parts, const GpuTarget& target,
                         int most_sums) {
  double least = std::numeric_limits<double>::infinity();
  GpuTileShape best;
  const auto consider = [&](const auto& candidates) {
    for (const auto& [shape, efficiency] : candidates) {
      if (shape.part_rows * shape.part_columns > most_sums) continue;
      const int64_t blocks = volume(c.batch) * parts * tiles(volume(c.m), shape.rows) *
                             tiles(volume(c.n), shape.columns);
      const double cost = static_cast<double>(tiles(blocks, target.multiprocessors)) * shape.rows *
                          shape.columns / efficiency;
      if (cost >= least) continue;
      least = cost;
      best = shape;
    }
  };
  if (const std::optional<NarrowTypes> narrow = narrow_types(c)) {
    consider(kMatrices);
    best.part_threads = kGpuWarp;
    best.depth = kLineBytes / static_cast<int>(narrow->bytes());
    best.stages = std::min(
        kMostStages, static_cast<int>(kGpuSharedBytes) / ((best.rows + best.columns) * kLineBytes));
  } else if (size_of(sum_type(c.type)) > 4) {
    consider(kLargeElements);
  } else {
    consider(kSmallElements);
  }
  return best;
}

// Registers of a thread for what it has fetched and not yet stored, and for where it lay.
int fetched_registers(const GpuTile& tile, int side, const TileLoad& load) {
  if (load.copied >= 0) return 0;
  const int vectors = side * tile.shape.depth / load.lanes / tile.shape.threads();
  return vectors * (2 + std::max(1, load.lanes * static_cast<int>(tile.narrow->bytes()) / 4));
}

void choose_loads(GpuTile& tile) {
  const Contraction& c = tile.group.contraction;
  tile.load_a = load_for(tile, tile.a.nest, tile.m, tile.shape.rows);
  tile.load_b = load_for(tile, tile.b.nest, tile.n, tile.shape.columns);
  tile.load_a.copied =
      copied_load(tile.a, tile.narrow ? tile.narrow->a : c.a.type(), tile.load_a, tile.shared_a());
  tile.load_b.copied =
      copied_load(tile.b, tile.narrow ? tile.narrow->b : c.b.type(), tile.load_b, tile.shared_b());
}

// Loads, and smaller tiles where what a thread has fetched would not fit beside its sums.
void choose_loads_and_tile(GpuTile& tile, const GpuTarget& target) {
  choose_loads(tile);
  if (!tile.narrow) return;
  const auto sums = [&] { return tile.shape.part_rows * tile.shape.part_columns / kGpuWarp; };
  const auto fetched = [&] {
    return fetched_registers(tile, tile.shape.rows, tile.load_a) +
           fetched_registers(tile, tile.shape.columns, tile.load_b);
  };
  while (sums() > kLeastSums && sums() + fetched() > kMostRegisters) {
    tile.shape = choose_tile(tile.group.contraction, 1, target, sums() * kGpuWarp / 2);
    choose_loads(tile);
  }
}

}  // namespace

GpuTileShape choose_gpu_tile(const Contraction& c, int64_t parts, const GpuTarget& target) {
  return choose_tile(c, parts, target, std::numeric_limits<int>::max());
}

std::optional<GpuTile> plan_gpu_tile(const KernelGroup& group, const GpuTarget& target) {
  std::optional<ContractionGroup> found = find_contraction(group);
  if (!found || !worth_tiling(found->contraction) || !has_tile_types(found->contraction) ||
      !has_small_sides(found->contraction))
    return std::nullopt;
  if (last_dim_is_in(found->contraction.m, found->contraction)) found = swapped(*found);
  const Contraction& c = found->contraction;
  const Tensor sum = make_tensor("sum", c.nest.out.dims(), c.nest.out.type(), Role::definition);
  const std::vector<Affine> out = {address_of(c.nest.out)};
  std::vector<Affine> operands = addresses_in(c.a);
  for (Affine& form : addresses_in(c.b)) operands.push_back(std::move(form));
  GpuTile tile{.group = *found,
               .batch = by_steps(c.batch, out),
               .m = by_steps(c.m, out),
               .n = by_steps(c.n, out),
               .k = by_steps(c.k, operands),
               .shape = choose_gpu_tile(c, 1, target),
               .narrow = narrow_types(c),
               .a = {},
               .b = {},
               .pair = {},
               .result = {},
               .sum = sum};
  tile.a = operand_of(c.a, unite(c.batch, unite(c.m, c.k)), *found);
  tile.b = operand_of(c.b, unite(c.batch, unite(c.n, c.k)), *found);
  if (c.pair) {
    const KernelGroup pair = pair_group(*c.pair);
    tile.pair = TileFormula{lower(pair), -1, {}};
    const Stage& stage = tile.pair.nest.stages.at(0);
    tile.pair.node = (stage.inner.empty() ? stage.outer : stage.inner).at(0).node;
    tile.left = load_of(tile.pair, pair, c.pair->left);
    tile.right = load_of(tile.pair, pair, c.pair->right);
  }
  const KernelGroup result = result_group(*found, sum);
  tile.result = formula_of(result, *found);
  tile.result.node = load_of(tile.result, result, sum);
  if (tile.result.nest.stages.size() != 1) return std::nullopt;
  choose_loads_and_tile(tile, target);
  std::vector<const Address*> addresses = loads_of(tile.result.nest);
  for (const Stage& stage : tile.result.nest.stages)
    for (const std::vector<Store>* stores : {&stage.inner, &stage.outer})
      for (const Store& store : *stores) addresses.push_back(&store.address);
  tile.result_lanes = lanes_along(tile.result.nest, tile.n, addresses,
                                  tile.narrow ? 2 : std::min(4, tile.shape.part_columns));
  return tile;
}

std::string describe(const GpuTile& tile) {
  const auto load = [](const char* name, const TileLoad& each, const char* own) {
    return fmt::format("{} {}by {} along {}", name, each.copied >= 0 ? "copied " : "", each.lanes,
                       each.along_k ? "k" : own);
  };
  const GpuTileShape& s = tile.shape;
  const std::string parts =
      tile.narrow ? fmt::format("{} in flight; {} by {} on units for matrices, {} x {} a warp",
                                s.stages - 1, name_of(tile.narrow->a), name_of(tile.narrow->b),
                                s.part_rows, s.part_columns)
                  : fmt::format("{} x {} a thread", s.part_rows, s.part_columns);
  return fmt::format("{} tiles of {} x {}, {} of k at once{} {}; {}, {}; result by {}",
                     tile.blocks(), s.rows, s.columns, s.depth, tile.narrow ? "," : ";", parts,
                     load("a", tile.load_a, "m"), load("b", tile.load_b, "n"), tile.result_lanes);
}

}  // namespace tessera
