#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "partition/halo.h"
#include "partition/local_nest.h"
#include "partition/placed_steps.h"

namespace tessera {

// One form in which a tensor exists on this rank.
struct Version {
  Sharding sharding;
  Part part;
  StepPlace made;
};

// What a nest needs of one of its operands. Operands that need the same share it.
struct Wanted {
  Tensor tensor;
  Sharding sharding;
  std::optional<HaloDemand> halo;
  bool whole = false;  // the part must be no larger than the block
  std::optional<Part> part;

  bool same(const Wanted& other) const {
    return tensor == other.tensor && sharding == other.sharding &&
           halo.has_value() == other.halo.has_value() &&
           (!halo || (halo->base == other.halo->base && halo->windows == other.halo->windows));
  }
};

// What one nest needs of its operands: an entry for each distinct need, and which of them each
// operand is.
struct WantedByNest {
  std::vector<Wanted> wanted;
  std::vector<size_t> of_operand;

  void add(const Wanted& want) {
    const auto it = std::find_if(wanted.begin(), wanted.end(),
                                 [&](const Wanted& other) { return other.same(want); });
    of_operand.push_back(static_cast<size_t>(it - wanted.begin()));
    if (it == wanted.end())
      wanted.push_back(want);
    else
      it->whole = it->whole || want.whole;
  }
};

}  // namespace tessera
