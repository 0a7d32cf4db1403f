#pragma once

namespace tessera {

// Makes this process the parent of those of its descendants whose own parent ends, so that none of
// them gets lost. For a process that starts one job.
void adopt_orphans();

// Kills all children of this process, and theirs, until there are none. For the end of the job.
void end_orphans();

}  // namespace tessera
