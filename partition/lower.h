#pragma once

#include "partition/plan.h"
#include "partition/sharded_program.h"

namespace tessera {

struct LowerOptions {
  // Chooses between ways of resharding; nullptr is LinearCommCost{}. All ranks must use the same.
  const CommCost* cost = nullptr;
  // An all-gather, which makes data grow, is placed at most this many nests before its first use;
  // everything else as early as its input is ready, so that it runs beside later nests.
  int prefetch = 4;
};

// The part of `program` (in normal form) that `rank` computes under `plan` (verified), with the
// collectives that the plan implies. Each nest stays in program order. A tensor is brought to the
// form in which the plan holds it once; each reader converts it from there on its own, operands of
// one nest that are needed alike together. Slices that feed a nest become offsets in its reads and
// cost nothing. An operand that is needed whole only because of an affine index (2*oy + ky) gets a
// window by a halo exchange where that is cheaper.
//
// Stored otherwise than used: a parameter split where it is stored and whole where it is used is
// gathered for use; its gradient, partial over the same axis, is reduce-scattered for an update
// that works where the parameter is stored.
ShardedProgram lower(const Program& program, const Plan& plan, int rank,
                     const LowerOptions& options = {});
// The same for every rank of the mesh.
std::vector<ShardedProgram> lower_all(const Program& program, const Plan& plan,
                                      const LowerOptions& options = {});

}  // namespace tessera
