#include <algorithm>
#include <functional>

#include "codegen/lower.h"

namespace tessera {
namespace {

void for_each_affine(LoopNest& nest, const std::function<void(LoopAffine&)>& visit) {
  const auto visit_address = [&](Address& address) {
    visit(address.affine);
    for (Guard& guard : address.guards)
      if (guard.node < 0) visit(guard.affine);
  };
  for (Node& node : nest.nodes) {
    visit(node.index);
    visit_address(node.address);
  }
  for (Stage& stage : nest.stages) {
    for (Store& store : stage.inner) {
      visit_address(store.address);
      if (store.lost) visit_address(*store.lost);
    }
    for (Store& store : stage.outer) visit_address(store.address);
  }
}

bool has(const std::vector<int>& loops, int loop) {
  return std::find(loops.begin(), loops.end(), loop) != loops.end();
}

// Do both loops stand in the same lists everywhere?
bool together(const LoopNest& nest, int a, int b) {
  if (has(nest.shared, a) != has(nest.shared, b)) return false;
  for (const Stage& stage : nest.stages)
    if (has(stage.free, a) != has(stage.free, b) || has(stage.reduced, a) != has(stage.reduced, b))
      return false;
  return true;
}

// Are the dims of both in the same one of these, or in none?
bool alike(const LoopNest& nest, int a, int b, const std::vector<Dims>& apart) {
  return std::all_of(apart.begin(), apart.end(), [&](const Dims& dims) {
    const auto in = [&](int loop) {
      return contains(dims, nest.loops[static_cast<size_t>(loop)].dims.front());
    };
    return in(a) == in(b);
  });
}

bool try_merge(LoopNest& nest, int a, int b) {
  const int64_t outer = nest.loops[static_cast<size_t>(a)].extent;
  const int64_t inner = nest.loops[static_cast<size_t>(b)].extent;
  if (outer == 0 || inner == 0 || !together(nest, a, b)) return false;
  bool steps_together = true;
  for_each_affine(nest, [&](LoopAffine& affine) {
    if (affine.coefficient(a) != inner * affine.coefficient(b)) steps_together = false;
  });
  if (!steps_together) return false;
  for_each_affine(nest, [&](LoopAffine& affine) {
    std::erase_if(affine.terms, [&](const auto& term) { return term.first == a; });
  });
  for (Node& node : nest.nodes) node.loops &= ~(uint64_t{1} << a);
  NestedLoop& both = nest.loops[static_cast<size_t>(b)];
  const NestedLoop& first = nest.loops[static_cast<size_t>(a)];
  both.name = first.name + "*" + both.name;
  both.extent = outer * inner;
  both.dims.insert(both.dims.begin(), first.dims.begin(), first.dims.end());
  std::erase(nest.shared, a);
  for (Stage& stage : nest.stages) {
    std::erase(stage.free, a);
    std::erase(stage.reduced, a);
  }
  return true;
}

}  // namespace

void merge_loops(LoopNest& nest, const std::vector<Dims>& apart) {
  std::vector<int> used = nest.shared;
  for (const Stage& stage : nest.stages) {
    used.insert(used.end(), stage.free.begin(), stage.free.end());
    used.insert(used.end(), stage.reduced.begin(), stage.reduced.end());
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  for (bool merged = true; merged;) {
    merged = false;
    for (size_t i = 0; i < used.size() && !merged; ++i)
      for (size_t j = 0; j < used.size() && !merged; ++j)
        if (i != j && alike(nest, used[i], used[j], apart) && try_merge(nest, used[i], used[j])) {
          used.erase(used.begin() + static_cast<std::ptrdiff_t>(i));
          merged = true;
        }
  }
}

}  // namespace tessera
