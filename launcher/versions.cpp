#include "launcher/versions.h"

#include <fmt/format.h>
#include <tbb/version.h>

#include "sources_digest.h"

namespace tessera {

std::string tessera_version() {
  return TESSERA_VERSION;
}

std::string sources_digest() {
  return TESSERA_SOURCES_DIGEST;
}

std::map<std::string, std::string> library_versions() {
  return {{"tessera", tessera_version()},
          {"llvm", TESSERA_LLVM_VERSION},
          {"mpi", TESSERA_MPI_VERSION},
          {"onetbb", fmt::format("{}.{}", TBB_VERSION_MAJOR, TBB_VERSION_MINOR)}};
}

}  // namespace tessera
