#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ir/program.h"
#include "partition/halo.h"
#include "partition/plan.h"
#include "partition/scopes.h"

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
                 const Scope& scope, const Mesh& mesh, const CommCost& cost);

// A tensor in one of the scopes in which it is converted: how it was made, and what each of its
// readers asks of it. A nest is one reader, whatever number of its operands the tensor is, and asks
// for each form once; so is every update, output and carried tensor. All forms are of the part that
// one iteration in the scope has.
struct TensorDemands {
  Tensor tensor;
  Scope scope;
  Sharding made;
  std::vector<std::vector<Demand>> demands;
};

// What a plan asks of every tensor that somebody reads, in the order of computing; of one tensor,
// outer scopes first.
//
//   w[k: data, j] read by two nests that want it whole:   {w, {}, [k: data, j], {{[k, j]}, {[k,
//   j]}}}
std::vector<TensorDemands> readers_of(const Program& program, const Scopes& scopes,
                                      const std::vector<NestRules>& nests, const Plan& plan,
                                      const CommCost& cost);

// Decides plan.held: every tensor is held in that of the forms which its readers ask for, or in
// which it was made, that makes its conversions cheapest, as it was made where that is as cheap.
void choose_held(const Program& program, const Scopes& scopes, const std::vector<NestRules>& nests,
                 const CommCost& cost, Plan& plan);

}  // namespace tessera
