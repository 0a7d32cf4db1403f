#pragma once

#include <vector>

#include "placement/distances.h"
#include "placement/network.h"

namespace tessera {

// Seconds to give one tensor to all who need it: `forms` are needed one after the other, in
// program order; each that does not exist yet is made from the nearest one that does. `from` exists
// first. kForbidden when one cannot be made from `from`.
//
//   from a partial sum, needed replicated and then split: one all-reduce, and a slice for nothing
double conversion_seconds(const TensorShape& shape, const Sharding& from,
                          const std::vector<Sharding>& forms, Distances& distances);

// A tensor's source and those who need it, as variables of a network with their forms.
struct FormDomain {
  int32_t variable;
  const std::vector<Sharding>* forms;
};

// Adds the above to the network as a table over the source and the consumers; in groups of
// consumers when it would have more than `most_entries` entries.
void add_conversions(Network& network, const TensorShape& shape, const FormDomain& source,
                     const std::vector<FormDomain>& consumers, Distances& distances,
                     size_t most_entries = size_t{1} << 17);

}  // namespace tessera
