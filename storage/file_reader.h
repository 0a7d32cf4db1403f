#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tessera {

// A regular file, read at any place. Never reads beyond the size that it had when it was opened,
// and throws UserError that begins with its path when it turns out to be shorter. May be used from
// several threads.
class FileReader {
 public:
  explicit FileReader(std::string path);
  ~FileReader();
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  void read(uint64_t offset, std::span<std::byte> into) const;
  std::string text(uint64_t offset, size_t bytes) const;
  // These bytes will be read soon: the system may fetch them meanwhile.
  void announce(uint64_t offset, uint64_t bytes) const;

 private:
  void require(uint64_t offset, uint64_t bytes) const;

  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace tessera
