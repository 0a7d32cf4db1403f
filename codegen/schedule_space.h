#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/build_kernel.h"
#include "codegen/schedule_choice.h"

namespace tessera {

// The schedules of one kernel, for searching: a list to start from and steps from each. Everything
// it returns fits the group. An immutable value.
//
//   ScheduleSpace space(group, options);
//   space.model()               the one that build_kernel picks by itself
//   space.seeds()               other structures: tiles, the lane loop, blocks; promising ones
//   first space.neighbours(choice)    one number changed: a block doubled, two loops exchanged
class ScheduleSpace {
 public:
  ScheduleSpace(const KernelGroup& group, const BuildOptions& options);

  const ScheduleChoice& model() const { return model_; }
  std::vector<ScheduleChoice> seeds() const;
  std::vector<ScheduleChoice> neighbours(const ScheduleChoice& choice) const;
  // "tile 8 x 3 vectors of 16, blocks m 192, n 1024, k 384; b packed"
  std::string describe(const ScheduleChoice& choice) const;

 private:
  bool fits(const ScheduleChoice& choice) const;
  std::vector<LoopChoice> loop_seeds() const;
  std::vector<TileChoice> around(const TileChoice& tile) const;
  std::vector<LoopChoice> around(const LoopChoice& loops) const;
  std::vector<BlockChoice> around(const BlockChoice& blocks) const;
  std::string describe_loops(const LoopChoice& loops) const;

  KernelGroup group_;
  BlockLimits limits_;
  VectorTarget vectors_;
  ScheduleTarget target_;
  std::optional<ContractionGroup> contraction_;
  LoopNest lowered_;
  LoopNest scheduled_;  // by the model
  ScheduleChoice model_;
};

}  // namespace tessera
