#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/array.h"

namespace tessera {

// Product of the extents; throws UserError naming `file` when it or the bytes overflow 2^62.
int64_t count_elements(const std::string& file, const std::vector<int64_t>& shape);

// "f32[256, 784]", for messages.
std::string describe(DType type, const std::vector<int64_t>& shape);

// What a .npy file says about itself.
struct NpyHeader {
  DType type = DType::f32;
  bool fortran = false;
  std::vector<int64_t> shape;
  size_t data_offset = 0;
};

// Reads and checks the header, and that the file has exactly as many bytes as it announces.
NpyHeader read_npy_header(const std::string& file);

// What to make of unsigned bytes: leave or widen them.
enum class U1 { as_u8, as_i32, as_f32 };

// Reads a .npy file of version 1, 2 or 3: little-endian f4, f8, f2, i4, i8, i1, u1, b1, and V2 (two
// opaque bytes) as bf16. Fortran order is turned into row-major; booleans other than 0 become 1.
// Throws UserError that names the file, what was found and what was expected.
Array read_npy(const std::string& file, U1 bytes = U1::as_u8);

// Writes version 1.0, all or nothing (storage/atomic_file.h).
void write_npy(const std::string& file, const Array& array);

}  // namespace tessera
