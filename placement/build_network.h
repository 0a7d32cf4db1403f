#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "partition/plan.h"
#include "placement/distances.h"
#include "placement/nest_domain.h"
#include "placement/network.h"
#include "placement/search_report.h"
#include "placement/skeleton.h"

namespace tessera {

// What the network is made from. References must outlive it.
struct NetworkInputs {
  const ProgramRules& rules;
  const Skeleton& skeleton;
  const Mesh& mesh;
  const std::vector<Pin>& pins;  // checked before (verify_pins)
  const Cluster& cluster;
  KernelTimes& kernels;
  Distances& distances;
  Reporter& report;
  bool all_choices = false;  // do not leave out what another choice dominates
};

// The ways in which a tensor can lie, or a part of it.
struct FormDomain {
  std::vector<int> numbers;  // see forms.h
  std::vector<Sharding> forms;
  std::vector<int32_t> value_of;  // by number; -1
};

// A program on one mesh as a cost-function network of pairs, with the variables of the skeleton.
// Costs are seconds of a step.
//
//   nest    unary: predicted time of the local nest, and what a loop's condition costs that lies as
//           the result does (condition_cost.h)
//   stored  unary: an input is fed in any way, as every rank reads its own part; reading costs its
//           local bytes
//   made    seconds from how a tensor is made, or stored, to how it is held; in a loop times
//           iterations
//   read    seconds from how a tensor is held to all that the nest needs of it
//   kept    seconds from how it is held to how the target of an update is stored, a carried tensor
//           is kept, or an output is returned
//
// This is what the plan costs (predict.h), and lowering does the same collectives. Where variables
// have several copies, costs are of all of them.
//
// Left out of the space: splitting a dim into more blocks than it has elements (unless pinned), and
// splits of one dim over several axes in another order than the mesh's. Values of nests are left
// out where another one is never slower, however tensors are held, and needs no more room.
struct PlacementNetwork {
  const Skeleton* skeleton;
  Network network;  // variables numbered as in the skeleton; an edge for each of its edges
  std::vector<std::shared_ptr<const NestDomain>> nests;  // by variable
  std::vector<std::shared_ptr<const FormDomain>> forms;  // by variable
};

PlacementNetwork build_network(const NetworkInputs& inputs);

// The decisions behind an assignment of the network; provenance and predictions are left empty.
Plan plan_of(const PlacementNetwork& placement, const Values& values, const ProgramRules& rules,
             const Mesh& mesh);
// The assignment behind a plan; nothing for a plan outside the space, or one that decides likes
// differently.
std::optional<Values> values_of(const PlacementNetwork& placement, const Plan& plan,
                                const ProgramRules& rules, const Mesh& mesh);

}  // namespace tessera
