#pragma once

#include <vector>

#include "partition/demands.h"
#include "placement/forms.h"
#include "placement/program_rules.h"

namespace tessera {

// What the nests of one class can do on one mesh, by value: each axis takes one of the choices.
// Values that differ from another in time alone are left out, but for the fastest; so are those
// that split a loop, or a table, into more blocks than it has elements, unless pins ask for it.
struct NestDomain {
  std::vector<std::vector<int>> choices;  // by axis: a number in ProgramRules::choices
  std::vector<double> seconds;
  std::vector<int> result;  // form of the result
  // By distinct tensor, by value: what is needed of it, each once.
  std::vector<std::vector<std::vector<Demand>>> demands;
  // Those without a halo, as form numbers of the whole tensor; `demands` has the others.
  std::vector<std::vector<std::vector<int>>> forms;

  size_t size() const { return seconds.size(); }
};

struct DomainInputs {
  const ProgramRules& rules;
  const Mesh& mesh;
  const std::vector<Pin>& pins;
  const CommCost& cost;
  KernelTimes& kernels;
};

// Is empty when no value honours the pins.
NestDomain domain_of(const DomainInputs& inputs, size_t nest_class);

// With the choices of nest `nest`.
Assignment assignment_of(const ProgramRules& rules, size_t nest, const std::vector<int>& choices);

// Does the sharding have what pins to the tensor ask for?
bool honours_pins(const std::vector<Pin>& pins, const Tensor& tensor, const Sharding& sharding,
                  const Mesh& mesh);
bool pinned(const std::vector<Pin>& pins, const Tensor& tensor, const std::string& dim, int axis,
            const Mesh& mesh);

}  // namespace tessera
