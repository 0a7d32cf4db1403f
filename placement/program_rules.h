#pragma once

#include <map>
#include <utility>
#include <vector>

#include "placement/cost_model.h"
#include "placement/nest_classes.h"

namespace tessera {

// The rules of every nest of a program, derived once for all meshes. `pins` as in NetworkInputs: a
// nest with a pin is like no other.
struct ProgramRules {
  explicit ProgramRules(const Program& normal, const std::vector<Pin>& pins = {});
  const Program& program;
  const Scopes scopes;
  std::vector<NestRules> nests;              // in the order of computing
  std::vector<std::vector<Choice>> choices;  // worth trying, per nest; see `useful_choices`
  std::vector<Tensor> conditions;            // of loops; see condition_cost.h
  std::vector<Tensor> pinned;                // that have pins
  NestClasses classes;
};

// Kernel times asked for already, by class of nests and local extents; shared by the meshes that
// one search tries. Not thread-safe.
class KernelTimes {
 public:
  explicit KernelTimes(KernelSeconds seconds) : seconds_(std::move(seconds)) {}
  // Of all iterations, where the nest is in loops.
  double of(const ProgramRules& rules, size_t nest, const Assignment& assignment, const Mesh& mesh);
  // The same where the local extents (first_rank.h) are known; the assignment is made by `assign`.
  template <typename Assign>
  double of(const ProgramRules& rules, size_t nest, std::vector<int64_t> local, const Mesh& mesh,
            const Assign& assign) {
    auto key = std::make_pair(rules.classes.of[nest], std::move(local));
    const auto it = known_.find(key);
    if (it != known_.end()) return it->second;
    const double seconds = ask(rules, nest, assign(), mesh);
    return known_.emplace(std::move(key), seconds).first->second;
  }
  const KernelSeconds& seconds() const { return seconds_; }

 private:
  double ask(const ProgramRules& rules, size_t nest, const Assignment& assignment,
             const Mesh& mesh) const;

  KernelSeconds seconds_;
  std::map<std::pair<size_t, std::vector<int64_t>>, double> known_;
};

}  // namespace tessera
