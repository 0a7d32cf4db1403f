#pragma once

#include <vector>

#include "partition/reshard.h"

namespace tessera {

// The ends of a path; moves that lead away from both are left out.
struct MoveTarget {
  const Sharding& from;
  const Sharding& to;
};

// Every single step from `at` that can be part of a cheapest path; bytes and seconds not filled in.
// In a fixed order.
std::vector<ReshardStep> moves_from(const Sharding& at, const MoveTarget& target, const Mesh& mesh);

}  // namespace tessera
