#pragma once

namespace tessera {

// Makes this process the parent of those of its descendants whose own parent ends, so that none of
// them gets lost. For a process that starts one job.
void adopt_orphans();

// Kills all children of this process, and theirs, until there are none. For the end of the job.
// Spared are the keepers of folders (folder_keeper.h), which are needed until those are gone.
void end_orphans();

}  // namespace tessera
