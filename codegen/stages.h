#pragma once

#include <optional>
#include <vector>

#include "codegen/kernel_group.h"
#include "codegen/scan.h"

namespace tessera {

// How the nests of a group run under common loops, stage by stage. Nests are named by their
// position in the group. Within a stage, at each point of the free dims, the inner nests and the
// reductions advance together over the reduced dims, and then the outer nests run:
//
//   m = max[k](x); e = exp(x - m); s = sum[k](e); p = e / s        with x[batch, k]
//     shared batch;  stage 0: reduction m over k;  stage 1: inner e, reduction s over k;
//     stage 2: inner p, free k
struct StagePlan {
  Dims free;
  Dims reduced;
  std::vector<int> inner;       // maps over free and reduced
  std::vector<int> reductions;  // over `reduced`
  std::vector<int> outer;       // maps over free
  bool scatter = false;         // one reduction alone, see scatter.h; free excludes its targets
  std::optional<Scan> scan;     // one reduction alone; free excludes its `out`, reduced is empty

  bool takes_others() const { return !scatter && !scan; }
};

struct GroupPlan {
  Dims shared;
  std::vector<StagePlan> stages;
  std::vector<int> stage_of;  // by nest
};

// The dims that can be common outer loops: dims of every result that nests pass to each other at
// the same index only.
Dims shared_dims(const std::vector<Nest>& nests);

// How many pieces threads could take when these nests run under common loops over `shared`: points,
// or vectors of them where it is along one of those dims that most of what is read is contiguous.
int64_t pieces_to_share(const std::vector<Nest>& nests, const Dims& shared);

GroupPlan plan_stages(const std::vector<Nest>& nests);

// Are what nests pass to each other, and what several of them read, small for one point of the
// shared loops, and in one piece of memory?
bool stays_in_cache(const std::vector<Nest>& nests, const Dims& shared);
// Then they do well as one loop nest; or where values pass in registers.
bool runs_as_one_nest(const std::vector<Nest>& nests);

// Does every read of `tensor` in the nest's body use exactly the tensor's own dims as indices?
bool reads_in_place(const Nest& nest, const Tensor& tensor);

}  // namespace tessera
