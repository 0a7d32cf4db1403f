#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/dataset.h"

namespace tessera {

// The columns of a table that make one field: one value of each column in a row, for each example.
struct CsvField {
  std::string name;                  // of the field
  std::vector<std::string> columns;  // in this order
  DType type = DType::f32;           // as which the numbers are read
};

// "a", "a, b, c" or "p1..p784" (all columns from one to the other), as a config names columns.
std::vector<std::string> split_columns(const std::string& text);

// Reads tables of numbers, one after the other: a line for each example, cells divided by commas,
// by semicolons or, where the first line has tabs, by tabs; cells may stand in "double quotes".
// Where the first line holds anything but numbers, it names the columns, else they are called 1, 2,
// … Files are read once, in pieces. What takes more than `most_bytes` is kept in a temporary file
// ($TMPDIR, or /tmp) that nobody else sees.
//
// UserError with file, line and column, what was found and what is allowed.
std::vector<Field> read_csv(const std::vector<std::string>& files,
                            const std::vector<CsvField>& fields, std::optional<int64_t> limit,
                            int64_t most_bytes);

}  // namespace tessera
