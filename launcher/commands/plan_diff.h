#pragma once

#include <string>
#include <vector>

#include "launcher/planning.h"

namespace tessera {

// `tessera plan PROGRAM --diff A B`: what the two plans decide differently, what each difference
// costs on its own, and what both cost. With `cluster` and `kernels` as plans are priced by.
int print_plan_diff(const Program& normal, const std::vector<std::string>& files,
                    const Cluster& cluster, const KernelSeconds& kernels, bool json);

}  // namespace tessera
