#pragma once

#include <vector>

#include "partition/turning.h"
#include "partition/wanted.h"

namespace tessera {

// Writes down one rank's part of collectives. Bytes are left to the caller, who knows the loops
// around.
class CommSteps {
 public:
  CommSteps(const Mesh& mesh, int rank) : mesh_(mesh), rank_(rank) {}  // keeps the mesh

  // Group, place and names; neither dims nor blocks.
  CommStep unfilled(CommKind kind, const Axes& axes, const Tensor& input,
                    const Tensor& origin) const;
  // A step between two shardings of `tensor`, which lies as `from`.
  CommStep resharding(const Tensor& tensor, const Version& from, const ReshardStep& step,
                      const Tensor& output) const;

  // The block that is wanted in a turn, of what goes around over `axis`, from whoever has had it in
  // the turn before. The output is not made.
  //
  //   a=3, rank 1, turn 1: gets block 2 from rank 2, and rank 0 gets block 1 from it
  struct Around {
    int axis;
    int turn;
    const Box& box;  // that this rank has
    int dim;
  };
  CommStep around(const Tensor& input, const Tensor& origin, const TurningLoop& turning,
                  const Around& around) const;

 private:
  std::vector<Interval> blocks(const Tensor& tensor, int at, const Sharding& fine,
                               const Sharding& coarse, const std::vector<int>& group) const;

  const Mesh& mesh_;
  const int rank_;
};

// What this rank sends to others or receives from them in pieces, whichever is more, in one
// iteration of `loops` loops. The output must be made.
int64_t piece_bytes(const CommStep& step, size_t loops);

// What this rank copies on its own in such an iteration, as copied_bytes (reshard.h) and
// halo_seconds (halo.h) count it.
int64_t copied_bytes(const CommStep& step, size_t loops);

}  // namespace tessera
