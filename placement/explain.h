#pragma once

#include <string>

#include "partition/plan.h"
#include "placement/cost_model.h"

namespace tessera {

// A plan as a page for people, at most 100 columns wide: the mesh, predicted time, proven bound,
// gap and memory; per tensor where it is, who chose that and why; per collective its bytes, its
// time and how much of that computing can hide; the nests that take longest; what fills memory.
// `normal` is the program the plan was made for; an empty `kernels` is a roofline.
std::string explain(const Program& normal, const Plan& plan, const Cluster& cluster,
                    const KernelSeconds& kernels = {});

}  // namespace tessera
