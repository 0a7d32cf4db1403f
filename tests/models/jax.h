#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace tessera {

// The Python that has JAX: TESSERA_JAX_PYTHON, or build/jax of the tree, which `./tessera test`
// makes. Nothing when there is none.
inline std::optional<std::string> jax_python() {
  if (const char* given = std::getenv("TESSERA_JAX_PYTHON")) return std::string(given);
  const std::string usual = std::string(TESSERA_SOURCE_DIR) + "/build/jax/bin/python3";
  if (std::filesystem::exists(usual)) return usual;
  return std::nullopt;
}

}  // namespace tessera
