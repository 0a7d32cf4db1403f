#pragma once

#include "base/array.h"
#include "ir/box.h"
#include "storage/file_reader.h"

namespace tessera {

// The box of a row-major array whose bytes begin at `offset` of a file. Reads once, from the first
// element of the box to the last.
Array read_box(const FileReader& file, uint64_t offset, DType type,
               const std::vector<int64_t>& shape, const Box& box);

}  // namespace tessera
