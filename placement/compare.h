#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "partition/plan.h"
#include "placement/predict.h"

namespace tessera {

// What a planner looked at and did not take.
struct Alternative {
  std::string name;  // "best found", or a template's
  Mesh mesh;
  Prediction predicted;  // its bound is that of the mesh
  std::string why;       // it was not taken
};

// Seconds of collectives by kind, what computing takes under "computing".
//
//   {{"all-reduce", 0.00037}, {"computing", 0.0047}}
std::map<std::string, double> seconds_by_kind(const Prediction& predicted);
std::map<std::string, int64_t> bytes_by_kind(const Prediction& predicted);

// "needs 96.0 GiB of 80.0 GiB", or where a step loses time, the most first: "all-reduce takes 1.20
// ms more, computing 300 us". `bound` is of the plans on the mesh of the other.
std::string why_not(const Prediction& taken, const Prediction& other, double bound, double memory);

// A table for people, at most 100 columns wide.
std::string print(const std::vector<Alternative>& alternatives, const Prediction& taken);

// A decision that two plans of one program take differently.
struct PlanDifference {
  std::string what;  // "nest h_1", "w is kept", "w is held", "output y"
  std::string a;
  std::string b;
  // What a step takes longer when plan a has this decision of b, and all else is as it was. Nothing
  // where that is no plan, or the meshes or what is computed again differ.
  std::optional<double> seconds;
};

// In program order; `rules` are of what plan a decides about (planned_program). Only the first
// `most` are priced, each by a look at the whole plan.
std::vector<PlanDifference> differences(const ProgramRules& rules, const Plan& a, const Plan& b,
                                        const Prices& prices, size_t most = 100);

}  // namespace tessera
