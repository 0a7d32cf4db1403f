#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

inline constexpr size_t kHugePage = size_t{2} << 20;

// How another process of this machine finds a SharedFile.
struct SharedFileOffer {
  uint64_t machine = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int32_t pid = 0;
  int32_t fd = -1;  // -1: there is none
};

// Zero-filled memory that the processes of one machine share: an anonymous file (memfd) that the
// others open through /proc, so it has no name, and nothing is left behind however they end.
//
//   SharedFile mine(1 << 20);               // in one process, which tells mine.offer() the other:
//   SharedFile theirs(offer);               // in the other one, while `mine` lives
//   SharedMapping memory(theirs);           // lives on when the files are closed
class SharedFile {
 public:
  explicit SharedFile(size_t bytes);
  explicit SharedFile(const SharedFileOffer& offer);
  ~SharedFile();
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;

  bool exists() const { return fd_ >= 0; }  // false where the system refuses, or cannot reach it
  int fd() const { return fd_; }
  size_t bytes() const { return bytes_; }
  SharedFileOffer offer() const;

 private:
  int fd_ = -1;
  size_t bytes_ = 0;
};

// A file in the memory of this process, from a multiple of a huge page on.
class SharedMapping {
 public:
  SharedMapping() = default;
  explicit SharedMapping(const SharedFile& file);
  ~SharedMapping();
  SharedMapping(SharedMapping&& other) noexcept;
  SharedMapping& operator=(SharedMapping&& other) noexcept;

  std::byte* data() const { return data_; }  // nullptr when the system refuses
  size_t bytes() const { return bytes_; }

  // Puts huge pages behind all of it, as ordinary ones would slow down whoever computes there:
  // systems seldom do that for files by themselves. False when the system cannot.
  bool use_huge_pages();

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  void* reserved_ = nullptr;  // addresses around it
  size_t reserved_bytes_ = 0;
};

// Equal on processes of one machine. Containers with a host name of their own are machines.
uint64_t machine_id();

}  // namespace tessera
