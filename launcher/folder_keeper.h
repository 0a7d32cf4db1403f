#pragma once

#include <sys/types.h>

#include <string>

#include "launcher/spawn.h"

namespace tessera {

struct KeepOptions {
  bool waits = true;    // the destructor returns when the folder is gone, not a moment earlier
  bool parent = false;  // the folder that it lies in goes with it, if that is empty then
};

// A process (`/bin/sh`) that waits for the end of this object, or of its process however that ends,
// and then removes a folder if it is still there. It has a session of its own, no open file of
// ours, and no signal of a terminal ends it.
//
//   const FolderKeeper keeper("/dev/shm/tessera-job-x1");
//   abort();  // the folder is gone a moment later
class FolderKeeper {
 public:
  // Throws DeviceError when there can be no such process.
  explicit FolderKeeper(const std::string& folder, const KeepOptions& options = {});
  ~FolderKeeper();
  FolderKeeper(const FolderKeeper&) = delete;
  FolderKeeper& operator=(const FolderKeeper&) = delete;

 private:
  const bool waits_;
  PipeEnds life_;  // reading from it ends with this process
  pid_t pid_ = -1;
};

// Is it the process of a keeper, of whichever object? They end by themselves.
bool is_folder_keeper(pid_t pid);

}  // namespace tessera
