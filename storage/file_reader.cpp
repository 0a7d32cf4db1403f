#include "storage/file_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/read_file.h"

namespace tessera {

FileReader::FileReader(std::string path) : path_(std::move(path)) {
  require_regular_file(path_);
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &facts) != 0)
    throw UserError(path_ + ": cannot be opened: " + std::strerror(errno));
  size_ = static_cast<uint64_t>(facts.st_size);
}

FileReader::~FileReader() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

void FileReader::require(uint64_t offset, uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset)
    throw UserError(
        fmt::format("{}: ends after {} bytes, and bytes {} to {} were to be read; the "
                    "file is cut short",
                    path_, size_, offset, offset + bytes));
}

void FileReader::read(uint64_t offset, std::span<std::byte> into) const {
  require(offset, into.size());
  while (!into.empty()) {
    const size_t chunk = std::min<size_t>(into.size(), size_t{1} << 30);
    const ssize_t got = ::pread(descriptor_, into.data(), chunk, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw UserError(path_ + ": cannot be read: " + std::strerror(errno));
    if (got == 0) throw UserError(path_ + ": was cut short while it was read");
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
}

void FileReader::announce(uint64_t offset, uint64_t bytes) const {
  // It is a hint: whether it is taken changes nothing but how long reads take.
  (void)::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                        POSIX_FADV_WILLNEED);
}

std::string FileReader::text(uint64_t offset, size_t bytes) const {
  require(offset, bytes);
  std::string text(bytes, '\0');
  read(offset, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

}  // namespace tessera
