#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

// An array of unsigned bytes in the IDX format of the MNIST family.
struct IdxArray {
  std::vector<int64_t> shape;   // the first is the number of examples
  std::vector<std::byte> data;  // row-major
};

// The extents that the header of such a file announces.
std::vector<int64_t> read_idx_shape(const std::string& file);

// Reads a plain or gzip-compressed IDX file of unsigned bytes with 1 to 4 dims. With `limit`, only
// the first so many examples are unpacked; else the file must end where its header says, and its
// checksum is verified. Throws UserError that names the file and what was expected.
IdxArray read_idx(const std::string& file, std::optional<int64_t> limit = std::nullopt);

}  // namespace tessera
