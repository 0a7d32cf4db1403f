#pragma once

#include <map>
#include <vector>

#include "ir/sequence.h"
#include "partition/halo.h"

namespace tessera {

// A place in a program with loops: the numbers of the loops around it, outermost first. {} is
// outside of all.
using Scope = std::vector<int>;

// The loops around both: a tensor that is computed in the one scope reaches a reader in the other
// there.
Scope common(const Scope& a, const Scope& b);

// Which tensors are computed in which loops. The program is in the form of stack_loops.h, so the
// first dims of a tensor are those that the loops around it iterate.
//
//   s_first; loop 0 over t {s; s_next}; y        of(s_next) == {0}, of(y) == {}
class Scopes {
 public:
  explicit Scopes(const Program& stacked);

  const Scope& of(const Tensor& tensor) const;  // {} for inputs, parameters and states
  const Sequence& sequence() const { return sequence_; }
  // The loop around everything in the scope most closely; not for {}.
  const SequenceLoop& loop(const Scope& scope) const;
  Dims dims(const Scope& scope) const;      // iterated, outermost first
  int64_t times(const Scope& scope) const;  // how often what stands there runs

 private:
  void visit(const Sequence& sequence, const Scope& scope);

  Sequence sequence_;
  std::vector<const SequenceLoop*> loops_;
  std::map<Tensor, Scope> of_;
};

// One iteration's part of a tensor, of its sharding, and of the windows that are wanted of it, for
// as many loops as `scope` has: without the dims that they iterate. `outside` is the inverse.
TensorShape shape_within(const Tensor& tensor, const Scope& scope);
Sharding within(const Sharding& sharding, const Scope& scope);
HaloDemand within(const HaloDemand& demand, const Scope& scope);
Sharding outside(const Sharding& sharding, const Scope& scope);
ReshardStep outside(const ReshardStep& step, const Scope& scope);

}  // namespace tessera
