#pragma once

#include <string>

namespace tessera {

// `tessera ckpt diff`: prints how the tensors of two files differ, name by name, and returns the
// exit code, kJobFailed when they do.
int diff_tensors(const std::string& path, const std::string& other, bool json);

}  // namespace tessera
