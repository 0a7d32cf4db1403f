#pragma once

#include <functional>
#include <string>

#include "runtime/executable.h"

namespace tessera {

// Writes the parameters and states for which `wanted` holds to one .safetensors file at `path`, all
// or nothing. They are collected on every rank, one after the other, and rank 0 writes. Together:
// an error of rank 0's is thrown there, and ends the waits of the others.
void save_values(Executable& executable, const std::string& path,
                 const std::function<bool(const Tensor&)>& wanted);

}  // namespace tessera
