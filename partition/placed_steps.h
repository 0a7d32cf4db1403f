#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "partition/scopes.h"
#include "partition/sharded_program.h"

namespace tessera {

// Nests are numbered in the order of computing. A place is in a scope, after one of its nests or
// after the loop in it that ends with this nest; at its beginning, after the nest before it.
struct StepPlace {
  Scope scope;
  int after = -1;

  bool operator<(const StepPlace& other) const {
    return std::tie(scope, after) < std::tie(other.scope, other.after);
  }
};

// The steps of one rank, before they are put in order. Loops are numbered as in Scopes.
struct PlacedSteps {
  std::vector<ComputeStep> computed;                   // by nest
  std::vector<std::vector<Carry>> carries;             // by loop
  std::map<int, Tensor> conditions;                    // of loops that have one
  std::map<StepPlace, std::vector<Step>> conversions;  // in order of making

  void add(const StepPlace& place, Step step) { conversions[place].push_back(std::move(step)); }
  int nests() const { return static_cast<int>(computed.size()); }
};

// In the order of the sequence, each conversion at its place.
std::vector<Step> arrange(const Sequence& sequence, const PlacedSteps& placed);

}  // namespace tessera
