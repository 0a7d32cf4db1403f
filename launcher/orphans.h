#pragma once

#include <sys/types.h>

namespace tessera {

// Makes this process the parent of those of its descendants whose own parent ends, so that none of
// them gets lost. For a process that starts one job.
void adopt_orphans();

// Kills all children of this process but one, and theirs, until there are none. For the end of the
// job. Spared is the keeper of the job's folder, which is needed until that is gone.
void end_orphans(pid_t spared);

}  // namespace tessera
