#pragma once

#include <string>
#include <string_view>

#include "storage/npy.h"

// The text header of .npy files; used by storage/npy*.cpp only.
namespace tessera::internal {

// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }". data_offset is left alone.
NpyHeader parse_npy_header(const std::string& file, std::string_view text, bool any_type);

// The same dictionary for an array of ours.
std::string npy_header_text(const Array& array);

}  // namespace tessera::internal
