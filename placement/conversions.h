#pragma once

#include <vector>

#include "partition/halo.h"
#include "partition/scopes.h"
#include "placement/distances.h"
#include "placement/network.h"

namespace tessera {

// How someone needs a tensor: as `form`; or, if that is cheaper, as `halo->base` and then widened
// to windows for `halo_seconds` more.
struct Demand {
  Sharding form;
  std::optional<HaloDemand> halo;
  double halo_seconds = 0;

  bool operator==(const Demand& other) const;
};
std::vector<Demand> demands_of(const std::vector<Sharding>& forms);
// Of the part of the operand that one iteration in `scope` has, where it is converted.
Demand demand_of(const NestRules& rules, size_t operand, const Assignment& assignment,
                 const Scope& scope, Distances& distances);

// Seconds to give one tensor to all who need it: demands are met one after the other, in program
// order; a form that does not exist yet is made from the nearest one that does. `from` exists
// first.
//
//   from a partial sum, needed replicated and then split: one all-reduce, and a slice for nothing
double conversion_seconds(const TensorShape& shape, const Sharding& from,
                          const std::vector<Demand>& demands, Distances& distances);

// A tensor's source, or one who needs it, as a variable of a network: a demand for each value.
struct DemandDomain {
  int32_t variable;
  std::vector<Demand> demands;
};

// Adds the above, `times` times, to the network as a table over the source and the consumers; in
// groups of consumers when it would have more than `most_entries` entries.
void add_conversions(Network& network, const TensorShape& shape, double times,
                     const DemandDomain& source, const std::vector<DemandDomain>& consumers,
                     Distances& distances, size_t most_entries = size_t{1} << 17);

}  // namespace tessera
