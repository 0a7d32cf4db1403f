#include "base/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/error.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& file, const std::string& text) {
  throw UserError(file + ": " + text);
}

// An open file, which never waited for a writer.
class OpenFile {
 public:
  explicit OpenFile(const std::string& file)
      : descriptor_(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) {
    if (descriptor_ < 0) error_ = errno;
    if (descriptor_ >= 0 && ::fstat(descriptor_, &facts_) != 0) error_ = errno;
  }
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  int error() const { return error_; }
  bool regular() const { return S_ISREG(facts_.st_mode); }
  bool folder() const { return S_ISDIR(facts_.st_mode); }
  bool fifo() const { return S_ISFIFO(facts_.st_mode); }
  size_t size() const { return static_cast<size_t>(std::max<off_t>(0, facts_.st_size)); }

 private:
  int descriptor_;
  int error_ = 0;
  struct stat facts_ {};
};

void check_opened(const OpenFile& opened, const std::string& file) {
  if (opened.error() != 0)
    fail(file, std::string("cannot be opened: ") + std::strerror(opened.error()));
  if (opened.folder()) fail(file, "is a folder, not a file");
}

// Waits until there is something to read, or the end. A fifo that nobody has opened for writing yet
// reads as ended, but poll waits for a writer.
void wait_for_bytes(const OpenFile& opened, const std::string& file, const ReadLimits& limits,
                    Clock::time_point start) {
  const double used = std::chrono::duration<double>(Clock::now() - start).count();
  const double left = limits.most_seconds - used;
  pollfd entry{opened.descriptor(), POLLIN, 0};
  if (left <= 0 || ::poll(&entry, 1, static_cast<int>(left * 1000) + 1) == 0)
    fail(file, fmt::format("did not end within {:g} s; nobody writes to it, or too slowly: use a "
                           "regular file",
                           limits.most_seconds));
}

std::string read_all(const OpenFile& opened, const std::string& file, const ReadLimits& limits) {
  const Clock::time_point start = Clock::now();
  const auto too_large = [&] {
    fail(file, fmt::format("is larger than {}, the most that {} may have",
                           size_text(limits.most_bytes), limits.what));
  };
  if (opened.regular() && opened.size() > limits.most_bytes) too_large();
  std::string bytes;
  if (opened.regular()) bytes.reserve(opened.size());
  char piece[1 << 16];
  for (bool first = true;; first = false) {
    if (!opened.regular() && (!opened.fifo() || first)) wait_for_bytes(opened, file, limits, start);
    const ssize_t got = ::read(opened.descriptor(), piece, sizeof piece);
    if (got == 0) return bytes;
    if (got < 0 && errno == EAGAIN) wait_for_bytes(opened, file, limits, start);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      fail(file, std::string("cannot be read: ") + std::strerror(errno));
    if (got > 0) bytes.append(piece, static_cast<size_t>(got));
    if (bytes.size() > limits.most_bytes) too_large();
  }
}

}  // namespace

std::string read_file(const std::string& file, const ReadLimits& limits) {
  const OpenFile opened(file);
  check_opened(opened, file);
  return read_all(opened, file, limits);
}

std::optional<std::string> read_regular_file(const std::string& file, size_t most_bytes) {
  const OpenFile opened(file);
  if (opened.error() == ENOENT) return std::nullopt;
  check_opened(opened, file);
  if (!opened.regular()) fail(file, "is not a regular file");
  return read_all(opened, file, {"a file of the cache", most_bytes});
}

void require_regular_file(const std::string& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0)
    fail(file, std::string("cannot be opened: ") + std::strerror(errno));
  if (S_ISDIR(facts.st_mode)) fail(file, "is a folder, not a file");
  if (!S_ISREG(facts.st_mode)) fail(file, "is a pipe or a device; a regular file is needed here");
}

std::string size_text(size_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; unit + 1 < std::size(kUnits) && bytes > 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return fmt::format("{} {}", bytes, kUnits[unit]);
}

}  // namespace tessera
