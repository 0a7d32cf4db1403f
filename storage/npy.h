#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  std::string other_type;  // "<U8": not one of ours; then `type` means nothing
};

// Reads `bytes` from `offset` on.
using ReadText = std::function<std::string(uint64_t offset, size_t bytes)>;

// The header of what `read` reads, which has `size` bytes. With `any_type`, elements that Tessera
// does not have are let through, and named in `other_type`.
NpyHeader read_npy_header(const std::string& name, uint64_t size, const ReadText& read,
                          bool any_type = false);

// The array that `data` is, by its header: Fortran order is turned into row-major.
Array npy_array(const NpyHeader& header, std::vector<std::byte> data);

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
