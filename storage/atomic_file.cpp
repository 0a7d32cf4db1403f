#include "storage/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "storage/write_through.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path, size_t bytes, int error) {
  std::string advice;
  if (error == ENOSPC || error == EDQUOT)
    advice = "; free some space or choose another folder";
  else if (error == ENOENT)
    advice = "; its folder does not exist";
  else if (error == ETIMEDOUT)
    advice = fmt::format("; nobody read from it for {:g} s", kReaderSeconds);
  throw DeviceError(
      fmt::format("{}: cannot write {} bytes: {}{}", path, bytes, std::strerror(error), advice));
}

int sync_and_close(int descriptor) {
  int error = ::fsync(descriptor) == 0 ? 0 : errno;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  return error;
}

// A new file in the folder of `path`, under a name that nobody else has; -1 with errno on failure.
int open_beside(const std::string& path, std::string& name) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    name = fmt::format("{}.tmp-{}-{}", path, ::getpid(), attempt);
    const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

// Some file systems cannot sync a folder (EINVAL); the rename is then as durable as they make it.
int sync_folder(const std::string& path) {
  std::string folder = fs::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = sync_and_close(descriptor);
  return error == EINVAL ? 0 : error;
}

// 0, or the errno of the first failure.
int replace(const std::string& path, const std::vector<std::span<const std::byte>>& parts) {
  std::string fresh;
  const int descriptor = open_beside(path, fresh);
  if (descriptor < 0) return errno;
  int error = 0;
  for (const auto& part : parts)
    if (error == 0) error = write_all(descriptor, part);
  const int closed = sync_and_close(descriptor);
  if (error == 0) error = closed;
  if (error == 0 && ::rename(fresh.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return sync_folder(path);
  ::unlink(fresh.c_str());
  return error;
}

}  // namespace

void write_file(const std::string& path, const std::vector<std::span<const std::byte>>& parts) {
  size_t total = 0;
  for (const auto& part : parts) total += part.size();
  const WriteTarget target = write_target(path);
  const int error = target.error == 0 && target.replace ? replace(target.path, parts)
                                                        : write_through(target, parts);
  if (error != 0) fail(path, total, error);
}

void write_file(const std::string& path, std::string_view text) {
  write_file(path, {std::as_bytes(std::span(text.data(), text.size()))});
}

bool name_one_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  const fs::path first = fs::absolute(write_target(a).path, ignored);
  const fs::path second = fs::absolute(write_target(b).path, ignored);
  if (fs::is_character_file(first, ignored)) return false;
  return fs::weakly_canonical(first, ignored) == fs::weakly_canonical(second, ignored) ||
         fs::equivalent(first, second, ignored);
}

}  // namespace tessera
