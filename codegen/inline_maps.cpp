#include "codegen/inline_maps.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "codegen/contraction.h"
#include "codegen/stages.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr double kCheapFlops = 4;      // a point
constexpr int64_t kSmallShare = 16;    // of the result's elements, which count for nothing
constexpr double kConstantFlops = 12;  // of a map that reads nothing
constexpr size_t kMostNodes = 300;     // of a formula that has grown
constexpr double kMostFlops = 600;     // of one

double flops_per_point(const Nest& nest) {
  double points = 1;
  for (const Dim& dim : nest.loops()) points *= static_cast<double>(dim.extent());
  return points == 0 ? 0 : flops_of(nest) / points;
}

int64_t points_of(const Nest& nest) {
  return volume(nest.loops());
}

// Operations a point, of those that are not hoisted out of its loops.
double own_flops(const Nest& map) {
  const auto points = static_cast<double>(std::max<int64_t>(volume(map.out.dims()), 1));
  double flops = 0;
  for (const Expr& node : subexpressions(map.body))
    if (const Apply* apply = as<Apply>(node))
      flops += info(apply->fn).flops * static_cast<double>(volume(node.dims())) / points;
  return flops;
}

// How many tensors it reads that take as long to read as its result would.
int large_sources(const Nest& map) {
  int large = 0;
  for (const Tensor& tensor : tensors_read(map.body))
    large += volume(tensor.dims()) * kSmallShare > volume(map.out.dims()) ? 1 : 0;
  return large;
}

class Inliner {
 public:
  Inliner(std::vector<Nest> nests, const std::set<Tensor>& needed)
      : nests_(std::move(nests)), needed_(needed), dropped_(nests_.size(), false) {
    for (size_t i = 0; i < nests_.size(); ++i) {
      writer_.emplace(nests_[i].out, i);
      for (const Tensor& tensor : tensors_read(nests_[i].body)) readers_[tensor].insert(i);
    }
  }

  std::vector<Nest> run() {
    for (size_t i = 0; i < nests_.size(); ++i) {
      follows_contraction_.push_back(follows_contraction(i));
      if (!nests_[i].op && needed_.count(nests_[i].out) == 0) try_inline(i);
    }
    std::vector<Nest> kept;
    for (size_t i = 0; i < nests_.size(); ++i)
      if (!dropped_[i]) kept.push_back(nests_[i]);
    return kept;
  }

 private:
  // Is the nest a contraction worth tiling, or a map over the result of one?
  bool follows_contraction(size_t i) const {
    const Nest& nest = nests_[i];
    if (nest.op) {
      const std::optional<Contraction> contraction = find_contraction(nest);
      return contraction && worth_tiling(*contraction);
    }
    for (const Tensor& tensor : tensors_read(nest.body)) {
      const auto it = writer_.find(tensor);
      if (it != writer_.end() && follows_contraction_[it->second] &&
          same_set(tensor.dims(), nest.out.dims()) && reads_in_place(nest, tensor))
        return true;
    }
    return false;
  }

  bool pays(const Nest& map, const Nest& reader, size_t readers) const {
    const double flops = own_flops(map);
    if (tensors_read(map.body).empty()) return flops <= kConstantFlops;
    if (large_sources(map) <= 1 && flops <= kCheapFlops) return true;
    int reads = 0;
    for (const Expr& node : reads_of(reader)) reads += as<Read>(node)->tensor == map.out ? 1 : 0;
    const bool once = readers == 1 && reads == 1 && points_of(reader) <= points_of(map);
    const std::optional<Contraction> contraction = find_contraction(reader);
    return once && !(contraction && (!contraction->pair || worth_tiling(*contraction)));
  }

  // The reader's body with the map's formula in place of its values; nothing when some read is
  // padded, or an index is too wide.
  std::optional<Expr> replaced(const Nest& reader, const Nest& map) const {
    for (const Expr& node : reads_of(reader)) {
      const Read& read = *as<Read>(node);
      if (!(read.tensor == map.out)) continue;
      for (const Index& index : read.indices)
        if (index.padded || index.value.type() != DType::i32) return std::nullopt;
    }
    try {
      Expr body = transform(reader.body, [&](const Expr& node) -> Expr {
        const Read* read = as<Read>(node);
        if (read == nullptr || !(read->tensor == map.out)) return node;
        std::map<Dim, Expr> indices;
        for (size_t i = 0; i < read->indices.size(); ++i)
          indices.emplace(map.out.dims()[i], read->indices[i].value);
        return substitute(map.body, indices);
      });
      if (subexpressions(body).size() > kMostNodes) return std::nullopt;
      if (written_size(body, kMostWritten + 1) > kMostWritten) return std::nullopt;
      return body;
    } catch (const UserError&) {
      // The bounds of a composed index are not always as tight as those of its parts, and then a
      // read cannot be shown to stay inside.
      return std::nullopt;
    }
  }

  void try_inline(size_t i) {
    const Nest& map = nests_[i];
    if (follows_contraction_[i]) return;
    const std::set<size_t> readers = readers_[map.out];
    std::vector<std::pair<size_t, Expr>> bodies;
    for (size_t r : readers) {
      if (!pays(map, nests_[r], readers.size())) return;
      const std::optional<Expr> body = replaced(nests_[r], map);
      if (!body) return;
      const bool was = worth(nests_[r]);
      Nest changed = nests_[r];
      changed.body = *body;
      if (flops_per_point(changed) > kMostFlops) return;
      if (was && !worth(changed)) return;
      bodies.emplace_back(r, *body);
    }
    for (const auto& [r, body] : bodies) {
      nests_[r].body = body;
      for (const Tensor& tensor : tensors_read(body)) readers_[tensor].insert(r);
    }
    for (const Tensor& tensor : tensors_read(map.body)) readers_[tensor].erase(i);
    dropped_[i] = true;
  }

  static bool worth(const Nest& nest) {
    const std::optional<Contraction> contraction = find_contraction(nest);
    return contraction && worth_tiling(*contraction);
  }

  std::vector<Nest> nests_;
  const std::set<Tensor>& needed_;
  std::vector<bool> dropped_;
  std::vector<bool> follows_contraction_;
  std::map<Tensor, size_t> writer_;
  std::map<Tensor, std::set<size_t>> readers_;
};

}  // namespace

std::vector<Nest> inline_maps(const std::vector<Nest>& nests,
                              const std::set<Tensor>& needed_outside) {
  return Inliner(nests, needed_outside).run();
}

}  // namespace tessera
