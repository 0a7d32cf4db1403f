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
  DType type = DType::f32;  // b8 where is_u1
  bool is_u1 = false;       // unsigned bytes, which programs have no type for
  bool fortran = false;
  std::vector<int64_t> shape;
  size_t data_offset = 0;
};

// Reads and checks the header, and that the file has exactly as many bytes as it announces.
NpyHeader read_npy_header(const std::string& file);

// What to make of unsigned bytes: refuse them, widen them, or leave them as 0..255 in an Array of
// type b8 (for a reader that knows it asked).
enum class U1 { refuse, as_i32, as_f32, as_bytes };

// Reads a .npy file of version 1, 2 or 3: little-endian f4, f8, i4, i8, b1, and u1 where asked for.
// Fortran order is turned into row-major; booleans other than 0 become 1. Throws UserError that
// names the file, what was found and what was expected.
Array read_npy(const std::string& file, U1 bytes = U1::refuse);

// Writes version 1.0, all or nothing (launcher/atomic_file.h).
void write_npy(const std::string& file, const Array& array);

}  // namespace tessera
