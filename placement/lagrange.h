#pragma once

#include <functional>
#include <vector>

#include "placement/eliminate.h"
#include "placement/network.h"

namespace tessera {

// Minimises a network with rows, given an elimination plan for it without them.
//
// Bytes above a row's limit are priced with a multiplier; one elimination then gives a lower bound
// and an assignment, and multipliers move along the subgradient. Branch and bound on the variables
// of the rows (best bound first, domains split by their bytes) closes what is left, as far as the
// operations go.
struct RowSolution {
  Values values;  // empty when none was found
  double cost = kForbidden;
  double bound = -kForbidden;  // kForbidden: proven that no assignment obeys the rows
  int64_t operations = 0;
  int64_t nodes = 0;
};

RowSolution minimise_with_rows(const Network& network, const Elimination& plan, const Values& start,
                               int64_t operations);

}  // namespace tessera
