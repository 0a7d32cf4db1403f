#pragma once

#include "codegen/cpu_level.h"
#include "launcher/config.h"
#include "launcher/dataset.h"
#include "runtime/agree.h"

namespace tessera {

// What every rank of a job must have in common (runtime/agree.h), beside program and plan.

// The version, a digest of all sources, and the machine code that kernels of the level are: what
// several ranks compute alike by unlike instructions would drift apart.
RankStatement statement_of_build(CpuLevel level);
// What decides the result. The files that it names count by what they hold, not by their names.
RankStatement statement_of(const Config& config);
// Fields and a hash of their content.
RankStatement statement_of(const Dataset& data);

}  // namespace tessera
