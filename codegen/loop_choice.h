#pragma once

#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// The order of loops (outermost first) and the vectors of a stage.
struct StageChoice {
  std::vector<int> free, reduced;
  int lane = -1;
  int lanes = 1;

  bool operator==(const StageChoice&) const = default;
};

// What a schedule is made from; the rest of it follows. A stage without reduced loops where the
// nest has some has them written out (written_out.h). When `lane` is a shared loop, it and its
// lanes are those of every stage as well.
struct LoopChoice {
  std::vector<int> shared;
  int lane = -1;
  int lanes = 1;
  std::vector<StageChoice> stages;
  int64_t grain = 0;  // points of a chunk; 0: by the model

  bool operator==(const LoopChoice&) const = default;
};

// Of a nest whose loops have lanes and an order.
LoopChoice choice_of(const LoopNest& nest);

// Gives the loops of a nest these lanes and this order. The choice must be one of such a nest.
void take(LoopNest& nest, const LoopChoice& choice);

}  // namespace tessera
