#pragma once

#include <source_location>
#include <string>

namespace tessera {

// Where the user wrote something: a C++ file or a .tess file. Line and column count from 1;
// column 0 means "the whole line". A default-made location is unknown and prints as "".
//
//   SourceLocation{"caps.tess", 7, 12}.str() == "caps.tess:7:12"
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;

  SourceLocation() = default;
  SourceLocation(std::string file_name, int line_number, int column_number = 0)
      : file(std::move(file_name)), line(line_number), column(column_number) {}
  // The C++ caller. The column is dropped: compilers disagree about it.
  SourceLocation(const std::source_location& where)
      : file(where.file_name()), line(static_cast<int>(where.line())) {}

  bool known() const { return line > 0; }
  std::string str() const;
};

}  // namespace tessera
