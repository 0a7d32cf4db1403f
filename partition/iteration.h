#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "partition/sharded_program.h"

namespace tessera {

// The index along one dim at an iteration: `constant`, and with `loop` >= 0 the index of that loop
// of those around, outermost first, added to it.
struct Lead {
  int loop = -1;
  int64_t constant = 0;

  bool operator==(const Lead&) const = default;
  auto operator<=>(const Lead&) const = default;
};

// A part of `whole` that one iteration uses. It lacks the first lead.size() dims of `whole`, along
// which it lies as `lead` says, and has the others whole; it begins the sum of `steps` (elements,
// by loop, times the loop's index) after the place that this gives.
struct View {
  Tensor whole;
  std::vector<Lead> lead;
  std::vector<int64_t> steps;
};

// What steps do in one iteration of the loops around them, as steps without these loops, whose
// tensors are views. A kernel made of such nests serves every iteration.
//
//   in a loop over t:  s_next[t, k] = tanh(s[t, k] + x[time: t + 1])
//   becomes            s_next[k] = tanh(s[k] + x[time: 1])
//   with s_next and s at t, and x moved by a row for each t
//
// Where an index is not affine, or may leave the tensor, the index of the loop is read from a
// counter, an i32 without dims, which whoever runs the steps has to set.
class IterationParts {
 public:
  // `depths`: how many loops are around the steps that compute a tensor; 0 if it is not there.
  // Kept.
  IterationParts(const Dims& loops, const std::map<Tensor, size_t>& depths);

  Nest part(const Nest& nest);
  CommStep part(const CommStep& step);
  // What the current iteration of the loops around it computes of a tensor.
  Tensor part(const Tensor& tensor);

  // Of every tensor of a part; of one that is whole, that tensor itself.
  View view(const Tensor& part) const;
  const std::vector<Tensor>& counters() const { return counters_; }  // by loop

 private:
  using Key = std::pair<Tensor, std::pair<std::vector<Lead>, std::vector<int64_t>>>;

  Expr rewrite(const Expr& expr);
  Expr rewrite_node(const Expr& expr);
  Expr rewrite_read(const Expr& expr, const Read& read);
  int loop_of(const Dim& dim) const;
  std::vector<Lead> lead_of(const Read& read) const;
  std::vector<Lead> current(const Tensor& tensor) const;
  Tensor tensor_of(const View& view);

  Dims loops_;
  const std::map<Tensor, size_t>& depths_;
  std::vector<Tensor> counters_;
  std::map<Key, Tensor> parts_;
  std::map<Tensor, View> views_;
  std::unordered_map<const ExprNode*, Expr> known_;  // of the current nest
};

// How many loops are around the steps that compute each tensor; tensors outside of loops are left
// out.
std::map<Tensor, size_t> loop_depths(const ShardedProgram& program);

}  // namespace tessera
