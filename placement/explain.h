#pragma once

#include <string>

#include "placement/plan_facts.h"

namespace tessera {

// A plan as a page for people, at most 100 columns wide: the mesh, predicted time, proven bound,
// gap and memory; per tensor where it is, who chose that and why; per collective its bytes, its
// time and how much of that computing can hide; of the dearest collectives between which lines they
// lie and why they are needed; the nests that take longest; what fills memory.
// `normal` is the program the plan was made for; an empty `kernels` is a roofline.
std::string explain(const Program& normal, const Plan& plan, const Cluster& cluster,
                    const KernelSeconds& kernels = {});
std::string explain(const PlanFacts& facts);

}  // namespace tessera
