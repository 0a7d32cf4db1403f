#pragma once

#include <optional>
#include <string>

#include "comm/communicator.h"
#include "storage/checkpoint.h"

namespace tessera {

struct FoundCheckpoint {
  std::string folder;
  Manifest manifest;
};

// The newest whole checkpoint in the folder `dir`: its hashes are compared, each rank reading some
// of the shards. Damaged ones are named on rank 0's standard error, and put aside when
// `may_change`. Nothing when there is none. Together.
std::optional<FoundCheckpoint> find_newest_checkpoint(Communicator& world, const std::string& dir,
                                                      bool may_change);

// The checkpoint that `path` is, or the newest whole one in it. UserError, on all ranks, when there
// is none. Together.
FoundCheckpoint require_checkpoint(Communicator& world, const std::string& path);

// Throws DeviceError, on all ranks, unless they all see the same folder `dir`. Together.
void require_shared_folder(Communicator& world, const std::string& dir);

}  // namespace tessera
