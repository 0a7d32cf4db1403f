#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "partition/rules.h"

namespace tessera {

// The local dims of one rank: one per global dim and list of axes that splits it, as long as the
// rank's block. A dim that nothing splits stays itself.
class LocalDims {
 public:
  LocalDims(const Mesh& mesh, int rank) : mesh_(mesh), rank_(rank) {}

  Dim local(const Dim& dim, const Axes& split);  // named as in "batch.data"
  // The dims of the rank's part of a tensor with these dims.
  Dims local(const Dims& dims, const Sharding& sharding);
  Interval range(const Dim& dim, const Axes& split) const;

  const Mesh& mesh() const { return mesh_; }
  int rank() const { return rank_; }

 private:
  const Mesh& mesh_;
  int rank_;
  std::map<std::pair<Dim, Axes>, Dim> dims_;
};

// A local tensor and the part of the global one that it holds.
struct Part {
  Tensor local;
  Box box;
};

// The part of the nest that this rank computes under `assignment`. `operands` has the part that
// each operand of `rules` is read from; it must cover what operand_sharding says, and be exactly
// that where the operand is guarded. Every index of the body is rewritten from global to local:
// loops shift by where the rank's block begins, reads by where the part begins.
//
//   y[i] = x[i + 1 pad 0] * i, i from 5:   y[i.a] = x[i.a + 6 pad 0] * (i.a + 5)
//
// Where a part has a window (halo.h) that an equation leaves of a dim, the reduced loop keeps to
// it:
//
//   d[y] = sum[o, k](where(o + k == y, g[o] * w[k], 0)), y from 8, k = 3, of g only 6 … 15 here:
//   d[y.a] = sum[o.part, k](where(o.part + 6 + k == y.a + 8, g[o.part] * w[k], 0))
//
// Of a reduced loop that turns, one block at a time is computed, under a name of its own.
struct Turn {
  Dim loop;
  Interval range;
  std::string name;
};
Nest local_nest(const NestRules& rules, const Assignment& assignment,
                const std::vector<Part>& operands, LocalDims& dims,
                const std::optional<Turn>& turn = std::nullopt);
// `so_far` and `more` taken together: what two turns come to.
Nest joined_turns(const std::string& name, const Tensor& so_far, const Tensor& more, ReduceOp op);

// A nest that copies the elements of `to_box` out of a part that covers them. `keep` false gives
// `filler` instead of every element: the form of a partial value that adds nothing.
struct CopySpec {
  std::string name;
  Dims dims;                   // local, of the result, in its order
  std::vector<int64_t> begin;  // of the result's box, by dim of the part
  bool masked = false;
  bool keep = true;
  ReduceOp op = ReduceOp::sum;  // whose identity fills, when masked
};
Nest copy_nest(const Part& from, const CopySpec& spec);

}  // namespace tessera
