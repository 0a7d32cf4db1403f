#pragma once

#include <map>
#include <string>

#include "ir/program.h"

namespace tessera {

struct ParseOptions {
  std::string file = "<text>";          // for messages
  std::map<std::string, int64_t> dims;  // extents that replace those of `dim` lines
};

// Reads the text form (docs/reference.md). Throws UserError with file:line:column.
Program parse(const std::string& text, const ParseOptions& options = {});
// Reads a file.
Program parse_file(const std::string& path, std::map<std::string, int64_t> dims = {});

}  // namespace tessera
