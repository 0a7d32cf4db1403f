#pragma once

#include <optional>
#include <string>

#include "launcher/subprocess.h"
#include "tests/models/jax.h"

namespace tessera {

inline bool succeeds(const std::string& program, const std::string& script) {
  Subprocess child({{program, "-c", script}, {}, [](OutputStream, std::string_view) {}, {}});
  return child.wait()->code() == 0;
}

// numpy is the judge: the system's, or the one that came with JAX.
inline std::optional<std::string> numpy_python() {
  for (const std::string& program : {std::string("python3"), jax_python().value_or("")})
    if (!program.empty() && succeeds(program, "import numpy")) return program;
  return std::nullopt;
}

}  // namespace tessera
