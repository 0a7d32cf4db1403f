#pragma once

#include <optional>
#include <string>

#include "launcher/folder_keeper.h"

namespace tessera {

// A folder for everything that a job of processes leaves in files while it runs: MPI's shared
// memory, and what ranks report. In memory (/dev/shm) where that has room for `ranks`, else below
// the system's folder for temporary files. It is removed at the end.
//
// An owner that is killed cannot remove anything. So a small process of its own (folder_keeper.h)
// removes the folder when the owner is gone. Where all processes of a job are killed together, as
// by a batch system, that one is, too: the owner also holds a lock on its folder, which the system
// gives up with it, and everyone who makes such a folder first removes those of the same user that
// nobody holds.
class ScratchFolder {
 public:
  // Throws DeviceError when no place has room enough; the text says how much each has. `in_memory`:
  // where MPI's shared memory is not to lie in it, it is among the temporary files.
  explicit ScratchFolder(int ranks, bool in_memory = true);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_ = -1;
  std::optional<FolderKeeper> keeper_;
};

// Removes the folders of dead owners below `place`, and returns how many there were.
int remove_dead_scratch_folders(const std::string& place);

}  // namespace tessera
