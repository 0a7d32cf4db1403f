#pragma once

#include <functional>
#include <string>

#include "runtime/executable.h"

namespace tessera {

// Writes the parameters and states for which `wanted` holds, which all have values, to one
// .safetensors file at `path`, all or nothing. Rank 0 writes; the others send it what they hold, a
// few MiB at a time in the order of the file, so no rank needs memory for more than that and its
// own part of a tensor. Together: an error of rank 0's is thrown there, and ends the waits of the
// others.
//
//   w[4096, 4096] f32 on 4 ranks    16 MiB each, and 8 MiB on rank 0; all of it would be 64 MiB
void save_values(Executable& executable, Communicator& world, const std::string& path,
                 const std::function<bool(const Tensor&)>& wanted);

}  // namespace tessera
