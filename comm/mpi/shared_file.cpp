#include "comm/mpi/shared_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "base/hash.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // since Linux 6.1
#endif

namespace tessera {
namespace {

// Files longer than a process may write (ulimit -f) end it by a signal.
bool may_be_so_long(size_t bytes) {
  rlimit limit{};
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur >= bytes;
}

}  // namespace

uint64_t machine_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return hash_bytes(text + " " + name);
}

SharedFile::SharedFile(size_t bytes) : bytes_(bytes) {
  if (!may_be_so_long(bytes)) return;
  fd_ = memfd_create("tessera", MFD_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(bytes)) == 0) return;
  close(fd_);
  fd_ = -1;
}

SharedFile::SharedFile(const SharedFileOffer& offer) : bytes_(offer.bytes) {
  if (offer.fd < 0 || offer.machine != machine_id()) return;
  const std::string path = fmt::format("/proc/{}/fd/{}", offer.pid, offer.fd);
  fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status {};
  if (fd_ < 0 || (fstat(fd_, &status) == 0 && S_ISREG(status.st_mode) &&
                  static_cast<uint64_t>(status.st_ino) == offer.inode &&
                  static_cast<uint64_t>(status.st_size) == offer.bytes))
    return;
  close(fd_);  // the number means another process here, as in a container of its own
  fd_ = -1;
}

SharedFile::~SharedFile() {
  if (fd_ >= 0) close(fd_);
}

SharedFileOffer SharedFile::offer() const {
  struct stat status {};
  if (fd_ < 0 || fstat(fd_, &status) != 0) return {};
  return {machine_id(), static_cast<uint64_t>(status.st_ino), bytes_,
          static_cast<int32_t>(getpid()), fd_};
}

SharedMapping::SharedMapping(const SharedFile& file) {
  if (!file.exists() || file.bytes() == 0) return;
  const size_t around = file.bytes() + kHugePage;
  void* reserved = mmap(nullptr, around, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return;
  const auto first = reinterpret_cast<uintptr_t>(reserved);
  const uintptr_t at = (first + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = mmap(reinterpret_cast<void*>(at), file.bytes(), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, file.fd(), 0);
  if (memory == MAP_FAILED) {
    munmap(reserved, around);
    return;
  }
  data_ = static_cast<std::byte*>(memory);
  bytes_ = file.bytes();
  reserved_ = reserved;
  reserved_bytes_ = around;
}

SharedMapping::~SharedMapping() {
  if (reserved_ != nullptr) munmap(reserved_, reserved_bytes_);
}

SharedMapping::SharedMapping(SharedMapping&& other) noexcept {
  *this = std::move(other);
}

SharedMapping& SharedMapping::operator=(SharedMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(reserved_, other.reserved_);
  std::swap(reserved_bytes_, other.reserved_bytes_);
  return *this;
}

// A range of which nothing was touched is left as it is, hence the first byte of each page; the
// rest of a huge page is zeroed once and copied never.
bool SharedMapping::use_huge_pages() {
  for (size_t at = 0; at < bytes_; at += kHugePage) {
    auto* byte = reinterpret_cast<volatile unsigned char*>(data_ + at);
    *byte = *byte;
  }
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    if (madvise(data_, bytes_, MADV_COLLAPSE) == 0) return true;
    if (errno != EAGAIN && errno != EBUSY) return errno == ENOMEM;  // short of them: some are there
  }
  return true;
}

}  // namespace tessera
