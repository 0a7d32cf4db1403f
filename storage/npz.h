#pragma once

#include <memory>

#include "storage/file_reader.h"
#include "storage/tensor_file.h"

namespace tessera {

// The arrays that numpy.savez or numpy.savez_compressed wrote: `w.npy` in the archive is `w`.
std::unique_ptr<TensorFile> open_npz(FileReader file);

}  // namespace tessera
