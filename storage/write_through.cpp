#include "storage/write_through.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// The number of our descriptor that a path names, as /dev/fd/5 and /proc/self/fd/5 do.
std::optional<int> descriptor_of(const fs::path& path) {
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const fs::path ours = fs::canonical("/proc/self/fd", error);
  if (error || fs::canonical(folder, error) != ours || error) return std::nullopt;
  const std::string name = path.filename();
  int number = -1;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (problem != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Opens a device or pipe without waiting for a reader, then waits for one only so long.
int open_to_write(const std::string& path) {
  const auto until = Clock::now() + std::chrono::duration<double>(kReaderSeconds);
  for (;;) {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor >= 0 || errno != ENXIO) return descriptor;
    if (Clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  errno = ETIMEDOUT;
  return -1;
}

}  // namespace

WriteTarget write_target(const std::string& path) {
  constexpr int kMostLinks = 40;
  WriteTarget target{path};
  for (int links = 0; links <= kMostLinks; ++links) {
    if (const std::optional<int> number = descriptor_of(target.path)) {
      target.replace = false;
      target.descriptor = *number;
      if (::fcntl(*number, F_GETFD) < 0) target.error = errno;
      return target;
    }
    std::error_code error;
    const fs::path next = fs::read_symlink(target.path, error);
    if (error) {  // no link: the end of the way
      struct stat facts {};
      target.replace = ::stat(target.path.c_str(), &facts) != 0 || S_ISREG(facts.st_mode);
      return target;
    }
    target.path = (fs::path(target.path).parent_path() / next).string();
  }
  target.error = ELOOP;
  return target;
}

int write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t chunk = std::min<size_t>(bytes.size(), size_t{1} << 30);
    const ssize_t written = ::write(descriptor, bytes.data(), chunk);
    if (written > 0) bytes = bytes.subspan(static_cast<size_t>(written));
    if (written >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN) return errno;
    pollfd entry{descriptor, POLLOUT, 0};
    if (::poll(&entry, 1, static_cast<int>(kReaderSeconds * 1000)) == 0) return ETIMEDOUT;
  }
  return 0;
}

int write_through(const WriteTarget& target, const std::vector<std::span<const std::byte>>& parts) {
  if (target.error != 0) return target.error;
  const bool ours = target.descriptor >= 0;
  if (ours) std::fflush(nullptr);  // what was printed before comes before
  const int descriptor = ours ? target.descriptor : open_to_write(target.path);
  if (descriptor < 0) return errno;
  int error = 0;
  for (const auto& part : parts)
    if (error == 0) error = write_all(descriptor, part);
  if (!ours && ::close(descriptor) != 0 && error == 0) error = errno;
  return error;
}

}  // namespace tessera
