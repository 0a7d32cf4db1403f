#pragma once

#include <string>

#include "codegen/kernel_group.h"

namespace tessera {

// What of a group its machine code and the texts of its faults depend on: canonical_text(), and
// names and places where an index is known only when it is read.
std::string key_text(const KernelGroup& group);

// A file's name for what was made from `text`.
std::string key_of_text(const std::string& text);

}  // namespace tessera
