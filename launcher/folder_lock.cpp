#include "launcher/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tessera {

FolderLock::FolderLock(const std::string& dir) {
  const std::string path = dir + "/.lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw DeviceError(path + ": cannot be made: " + std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  // Some network file systems have no locks.
  if (error != EWOULDBLOCK && error != EINTR) {
    descriptor_ = -1;
    return;
  }
  throw UserError(dir +
                  ": another job is writing its checkpoints there; wait for its end, or choose "
                  "another checkpoint.dir");
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace tessera
