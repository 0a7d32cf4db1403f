#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "partition/plan.h"
#include "placement/conversions.h"
#include "placement/cost_model.h"
#include "placement/network.h"
#include "placement/search_report.h"

namespace tessera {

// Kernel times asked for already, by nest and local extents; shared by the meshes that one search
// tries. Not thread-safe.
class KernelTimes {
 public:
  explicit KernelTimes(KernelSeconds seconds) : seconds_(std::move(seconds)) {}
  // Of all iterations, where the nest is in loops.
  double of(const NestRules& rules, const Assignment& assignment, const Mesh& mesh,
            const Scopes& scopes);
  const KernelSeconds& seconds() const { return seconds_; }

 private:
  KernelSeconds seconds_;
  std::map<std::pair<const TensorNode*, std::vector<int64_t>>, double> known_;
};

// The rules of every nest of a program, derived once for all meshes.
struct ProgramRules {
  explicit ProgramRules(const Program& normal);
  const Program& program;
  const Scopes scopes;
  std::vector<NestRules> nests;              // in the order of computing
  std::vector<std::vector<Choice>> choices;  // worth trying, per nest; see `useful_choices`
  std::vector<Tensor> conditions;            // of loops; see condition_cost.h
};

// What the network is made from. References are kept by nobody after build_network returns.
struct NetworkInputs {
  const ProgramRules& rules;
  const Mesh& mesh;
  const std::vector<Pin>& pins;  // checked before (verify_pins)
  const Cluster& cluster;
  KernelTimes& kernels;
  Distances& distances;
  Reporter& report;
};

// A program on one mesh as a cost-function network. Costs are seconds.
//
//   nest      a variable: which loop each mesh axis takes; unary: predicted time of the local nest
//   operand   a variable: how the nest needs the tensor; fixed by the nest's
//   result    a variable: how the nest leaves it, perhaps partial; fixed by the nest's
//   stored    a variable for each input, parameter and state, and for what loops carry: how it is
//             kept. An input may be fed in any way, as every rank reads its own part; reading costs
//             its local bytes
//   tensor    one table over its source and all who need it: the seconds of resharding when each
//             form is made once, from the nearest one that exists, in program order; exactly what
//             lowering does. Where that table would be too large, consumers are taken in groups
//             that know nothing of each other's forms; then it is an upper bound of what lowering
//             does. In loops, a table for each scope in which it is converted, times iterations
//   update    needs its value as the target is stored; so does a carried tensor, in every
//             iteration, and its first value
//   condition of a loop: each way in which its nest may leave it costs what condition_cost.h says
//   output    a variable: how it is returned, never partial
//
// Left out of the space: splitting a dim into more blocks than it has elements (unless pinned), and
// splits of one dim over several axes in another order than the mesh's.
struct PlacementNetwork {
  struct NestVariable {
    int32_t variable;
    std::vector<Assignment> choices;
    std::vector<double> seconds;
    std::vector<int32_t> operands;  // variables
    int32_t result;                 // variable
  };
  // A variable that says how a tensor lies: stored, output or result.
  struct FormVariable {
    std::string name;
    Tensor tensor;
    std::vector<Sharding> forms;
    int32_t variable;
  };
  Network network;
  std::vector<NestVariable> nests;
  std::vector<FormVariable> stored;
  std::vector<FormVariable> outputs;
  std::vector<FormVariable> results;  // one for each nest
  // How a nest needs an operand; of all nests, in program order.
  struct OperandVariable {
    Tensor tensor;
    Scope scope;  // in which the tensor is converted; of this the demands are
    std::vector<Demand> demands;
    int32_t variable;
  };
  std::vector<OperandVariable> operands;
};

PlacementNetwork build_network(const NetworkInputs& inputs);

// The decisions behind an assignment of the network; provenance and predictions are left empty.
Plan plan_of(const PlacementNetwork& placement, const Values& values, const Program& normal,
             const Mesh& mesh);
// The assignment behind a plan; nothing for a plan outside the space.
std::optional<Values> values_of(const PlacementNetwork& placement, const Plan& plan,
                                const ProgramRules& rules, Distances& distances);

}  // namespace tessera
