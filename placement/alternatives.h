#pragma once

#include "placement/search_mesh.h"

namespace tessera {

// Fills the provenance of every decision of a plan that a search on this mesh found: pinned by the
// user and where, or chosen by the optimizer and what the next best would cost, everything else
// chosen again (without regard to memory). Each answer is one elimination; as many are given as the
// operations allow, stored tensors first. Of programs in which likes are decided alike (see
// likeness.h), no such answers are given.
void explain_choices(const MeshRequest& request, int64_t operations, Plan& plan);

}  // namespace tessera
