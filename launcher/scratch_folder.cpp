#include "launcher/scratch_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "tessera-job-";

// Open MPI maps 4 MiB for each rank and some for its own bookkeeping; files that are larger than
// the room for them kill or hang whoever writes to the mapping.
constexpr uint64_t kBytesPerRank = uint64_t{6} << 20;
constexpr uint64_t kBytesMore = uint64_t{16} << 20;

int open_folder(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

uint64_t room_in(const std::string& place) {
  struct statvfs info {};
  if (::statvfs(place.c_str(), &info) != 0) return 0;
  return static_cast<uint64_t>(info.f_bavail) * static_cast<uint64_t>(info.f_frsize);
}

std::vector<std::string> places(bool in_memory) {
  std::error_code ignored;
  std::vector<std::string> all = {fs::temp_directory_path(ignored).string()};
  if (in_memory) all.insert(all.begin(), "/dev/shm");
  return all;
}

// Makes a folder and locks it. Between the two, somebody may take it for a dead one's; then it has
// no name any more, and -1 with ENOENT is returned.
int make_locked(std::string& path) {
  if (::mkdtemp(path.data()) == nullptr) return -1;
  const int lock = open_folder(path);
  if (lock < 0) return -1;
  struct stat facts {};
  if (::flock(lock, LOCK_EX) == 0 && ::fstat(lock, &facts) == 0 && facts.st_nlink > 0) return lock;
  ::close(lock);
  errno = ENOENT;
  return -1;
}

}  // namespace

ScratchFolder::ScratchFolder(int ranks, bool in_memory) {
  const uint64_t needed = kBytesMore + static_cast<uint64_t>(ranks) * kBytesPerRank;
  std::vector<std::string> found;
  for (const std::string& place : places(in_memory)) {
    if (place.empty()) continue;
    remove_dead_scratch_folders(place);
    const uint64_t room = room_in(place);
    std::string problem = fmt::format("has {} MiB", room >> 20);
    for (int attempt = 0; room >= needed && lock_ < 0 && attempt < 10; ++attempt) {
      path_ = fmt::format("{}/{}XXXXXX", place, kName);
      lock_ = make_locked(path_);
      if (lock_ < 0) problem = std::strerror(errno);
      if (lock_ < 0 && errno != ENOENT) break;
    }
    if (lock_ >= 0) {
      keeper_.emplace(path_);
      return;
    }
    found.push_back(place + " " + problem);
  }
  throw DeviceError(
      fmt::format("{} ranks that are processes share memory through files of up to {} MiB, for "
                  "which there is no place: {}; make room there, set TMPDIR to another folder, or "
                  "use transport: local",
                  ranks, needed >> 20, join(found)));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(lock_);
}

int remove_dead_scratch_folders(const std::string& place) {
  int removed = 0;
  std::error_code error;
  for (fs::directory_iterator it(place, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().rfind(kName, 0) != 0) continue;
    const int folder = open_folder(it->path());
    if (folder < 0) continue;
    struct stat facts {};
    std::error_code ignored;
    if (::fstat(folder, &facts) == 0 && facts.st_uid == ::geteuid() &&
        ::flock(folder, LOCK_EX | LOCK_NB) == 0) {
      fs::remove_all(it->path(), ignored);
      ++removed;
    }
    ::close(folder);
  }
  return removed;
}

}  // namespace tessera
