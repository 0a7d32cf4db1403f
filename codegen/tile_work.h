#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codegen/contraction.h"
#include "codegen/contraction_layout.h"
#include "codegen/vector_target.h"
#include "codegen/work.h"

namespace tessera {

// What a tiled contraction does, for any extents of its loops: steps of k in register tiles with
// the waste of their edges, packing, storing, and the bytes of its arrays. The side that lanes run
// along is the cheaper one.
class TileWork {
 public:
  // `loops`: in the order in which extents are given.
  TileWork(const Contraction& contraction, const Dims& loops, const VectorTarget& target);

  void add_to(WorkAmounts& amounts, std::span<const int64_t> extents, const VectorTarget& target,
              const WorkAmounts& prices) const;

 private:
  // `solved` loops are decided by an equation among guards (solve_guards.h), and make no steps.
  enum class Role : uint8_t { batch, m, n, k, solved };
  struct Term {
    size_t loop;
    int64_t coefficient;
  };
  // One tensor: for each of its dims the terms of the index, or all of it (a gather).
  struct Traffic {
    double element_bytes;
    std::vector<std::vector<Term>> indices;
    std::vector<int64_t> limits;  // the extents of the dims
  };
  // Of an element: how it is packed, and by how much.
  struct Pack {
    WorkKind work;
    double amount;
  };
  // With lanes along n of `a` and `b`, or exchanged.
  struct Side {
    Pack a, b;
    double store;  // pieces an element of the result
  };

  Pack pack_of(const Expr& operand, const IndexLevels& side, const IndexLevels& k) const;
  void add_traffic(const Tensor& tensor, const std::vector<Expr>& indices, const Dims& loops);
  void add_tiles(WorkAmounts& amounts, double m, double n, double k, double batch,
                 const Side& side) const;
  double bytes(std::span<const int64_t> extents) const;

  double lanes_ = 1;
  double pair_cycles_ = 1;  // of a word, which holds `group_` steps of k
  double group_ = 1;
  std::vector<Role> roles_;  // of each loop
  Side plain_{}, swapped_{};
  std::vector<Traffic> traffic_;
};

}  // namespace tessera
