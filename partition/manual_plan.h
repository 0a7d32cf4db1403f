#pragma once

#include <vector>

#include "partition/plan.h"

namespace tessera {

// Everything everywhere: every rank does the whole program. The plan to start from, and the right
// one for a mesh of one rank. `program` is in normal form.
Plan default_plan(const Program& program, const Mesh& mesh);

// A plan from pins alone, without a search: pinned tensors are placed as asked, and each nest, in
// program order, takes for each axis the choice that moves the fewest bytes of its operands as
// they lie; nests that meet nothing split stay replicated. Pins of the program count too.
//
//   image[batch: data]                     data parallelism
//   w1[hidden: model], w2[hidden: model]   tensor parallelism
//   image[batch: data], w1[pixel: data]    w1 stored in parts, gathered for use (ZeRO)
Plan manual_plan(const Program& program, const Mesh& mesh, const std::vector<Pin>& pins);

}  // namespace tessera
