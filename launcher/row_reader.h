#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/file_reader.h"

namespace tessera {

// The rows of a field that lie in files and not in memory: each example is read when it is wanted.
// Any thread may read.
class RowReader {
 public:
  // Where some examples lie, one after the other.
  struct Part {
    std::shared_ptr<const FileReader> file;
    uint64_t offset = 0;
    int64_t examples = 0;
  };

  // `booleans`: bytes other than 0 become 1.
  RowReader(std::vector<Part> parts, size_t row_bytes, bool booleans);

  size_t row_bytes() const { return row_bytes_; }
  int64_t examples() const { return first_.back(); }

  // Some bytes of one example.
  void read(int64_t example, size_t offset, std::span<std::byte> into) const;
  // These examples will be read soon: the system may fetch them from the disk meanwhile.
  void announce(int64_t first, int64_t count) const;

 private:
  size_t part_of(int64_t example) const;

  std::vector<Part> parts_;
  std::vector<int64_t> first_;  // examples before each part, and all of them
  size_t row_bytes_;
  bool booleans_;
};

}  // namespace tessera
