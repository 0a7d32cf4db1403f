#pragma once

#include <functional>
#include <string>

namespace llvm {
class Module;
}

namespace tessera {

// PTX of a fresh module that `fill` adds kernels to, for "sm_90" and later devices of that kind.
// Functions of the C library that the kernels call (exp of f64, sin of large f32) become those of
// CUDA's libdevice. Throws UserError where that file is needed and not found, InternalError when
// LLVM has no code generator for PTX. Thread-safe.
std::string build_ptx(const std::function<void(llvm::Module&)>& fill, const std::string& arch);

// The same before code generation, for debugging and tests.
std::string build_ptx_text(const std::function<void(llvm::Module&)>& fill, const std::string& arch);

// $CUDA_HOME/nvvm/libdevice/libdevice.10.bc, CUDA_HOME being /usr/local/cuda where it is not set.
std::string libdevice_path();

}  // namespace tessera
