#include "storage/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "storage/write_through.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path, const std::string& what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw DeviceError(fmt::format("{}: cannot {}: {}{}", path, what, std::strerror(error),
                                full ? "; free some space or choose another folder" : ""));
}

}  // namespace

FileSystem::File::File(const FileSystem& owner, std::string path, int descriptor)
    : owner_(owner), path_(std::move(path)), descriptor_(descriptor) {}

FileSystem::File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileSystem::File::write(std::span<const std::byte> bytes) {
  owner_.before(FileOperation::write, path_);
  if (const int error = write_all(descriptor_, bytes))
    fail(path_, fmt::format("write {} bytes", bytes.size()), error);
}

void FileSystem::File::sync() {
  owner_.before(FileOperation::sync, path_);
  int error = ::fsync(descriptor_) == 0 ? 0 : errno;
  if (::close(std::exchange(descriptor_, -1)) != 0 && error == 0) error = errno;
  if (error != 0) fail(path_, "be made durable", error);
}

void FileSystem::before(FileOperation what, const std::string& path, const std::string& to) const {
  if (before_) before_(what, path, to);
}

void FileSystem::make_folder(const std::string& path) const {
  before(FileOperation::make_folder, path);
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path, error))
    error = std::make_error_code(std::errc::not_a_directory);
  if (error) fail(path, "be made as a folder", error.value());
}

std::unique_ptr<FileSystem::File> FileSystem::create(const std::string& path) const {
  before(FileOperation::create, path);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(path, "be made", errno);
  return std::make_unique<File>(*this, path, descriptor);
}

void FileSystem::rename(const std::string& from, const std::string& to) const {
  before(FileOperation::rename, from, to);
  if (::rename(from.c_str(), to.c_str()) != 0) fail(from, "be renamed to " + to, errno);
}

void FileSystem::sync_folder(const std::string& path) const {
  before(FileOperation::sync_folder, path);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "be opened as a folder", errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0 && error != EINVAL) fail(path, "be made durable", error);
}

void FileSystem::remove(const std::string& path) const {
  before(FileOperation::remove, path);
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail(path, "be removed", error.value());
}

void remove_quietly(const FileSystem& disk, const std::string& path) {
  try {
    disk.remove(path);
  } catch (const std::exception&) {  // the error that matters is on its way
  }
}

}  // namespace tessera
