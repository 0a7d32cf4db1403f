#pragma once

#include "placement/skeleton.h"

namespace tessera {

// Decisions whose surroundings look the same, to be taken alike: of the layers of a deep network,
// those far from both ends. Found by colouring: at first, nests of one class and kept tensors of
// one shape have one colour each; then, round after round, colours are told apart by those of what
// a nest reads and of who reads it (Weisfeiler and Leman, "A reduction of a graph to a canonical
// form", 1968). The last round with at most `most` colours is taken. Programs of no more nests than
// that are told apart altogether.
//
//   a chain of 100 equal nests, most = 10:   four at each end on their own, 92 alike
Likeness likeness_of(const ProgramRules& rules, size_t most = 600);

}  // namespace tessera
