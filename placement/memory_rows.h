#pragma once

#include "placement/build_network.h"

namespace tessera {

// Rows for a search under a limit of bytes per device, for the nests at which most is alive.
enum class RowKind {
  estimate,   // what is stored, every live tensor as it is held, what the nest makes
  relaxation  // what is stored, and what the nest reads and makes: never more than memory_of
              // counts, so that a bound under these rows is a bound under the limit
};

// `reference` is an assignment to judge by where much is alive. Where decisions have copies, rows
// count all that are alive; of the nests that are decided alike, the fullest moment has one.
void add_memory_rows(PlacementNetwork& placement, const ProgramRules& rules, const Mesh& mesh,
                     double limit, RowKind kind, const Values& reference);

}  // namespace tessera
