#pragma once

#include <string>

namespace tessera {

// Holds `dir/.lock` for one job, so that no two write into one folder. Throws UserError when
// another one holds it. The system gives it back however the process ends.
class FolderLock {
 public:
  explicit FolderLock(const std::string& dir);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace tessera
