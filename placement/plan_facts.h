#pragma once

#include <map>
#include <string>
#include <vector>

#include "placement/communication.h"
#include "placement/memory.h"

namespace tessera {

// Everything that is to be seen of a plan on one device, worked out once: what the first rank does
// and when, why it communicates, and what it holds.
//
//   const PlanFacts facts(normal, plan, cluster, kernels);
//   facts.line.end                 // seconds of a step, with overlap
//   facts.communication[0].why     // "d_w reduces over `batch`, of which each rank has a part; …"
//
// Refers to its arguments; empty `kernels` are a roofline.
class PlanFacts {
 public:
  PlanFacts(const Program& normal, const Plan& made, const Cluster& machines,
            const KernelSeconds& kernels);
  PlanFacts(const PlanFacts&) = delete;
  PlanFacts& operator=(const PlanFacts&) = delete;

  const RecomputingProgram planned;
  const Program& program;  // of it: with what the plan computes again
  const Plan& plan;
  const Cluster& cluster;
  const ClusterCommCost comm;
  const ShardedProgram local;
  const Timeline line;
  const MemoryUse memory;
  const std::vector<Communication> communication;

  // What the device keeps in the whole step of a tensor that is stored, or returned: of what a loop
  // carries, as many iterations as somebody reads.
  int64_t kept_bytes(const StorageDecision& decision, const Tensor& tensor) const;

 private:
  std::map<std::string, int64_t> carried_;  // bytes that are kept of it, by name
};

}  // namespace tessera
