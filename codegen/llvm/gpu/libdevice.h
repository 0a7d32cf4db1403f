#pragma once

#include <llvm/IR/Module.h>

namespace tessera {

// Replaces calls of the C library's mathematical functions, and remainders of floats, which PTX has
// no instruction for, by calls of libdevice's functions, and links these in. Throws UserError where
// there are such calls and the file is missing.
void link_libdevice(llvm::Module& module);

}  // namespace tessera
