#pragma once

#include <map>
#include <string>

namespace tessera {

// "0.1.0"
std::string tessera_version();

// Of all sources that this program was built from.
std::string sources_digest();

// Name -> version of what this program was built with, for environment.json and `doctor`.
std::map<std::string, std::string> library_versions();

}  // namespace tessera
