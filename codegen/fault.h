#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/expr.h"

namespace tessera {

// What a kernel reports when an index that it read from data lies outside: which read it was, and
// where it went. Both travel in the one word that threads share, so they belong together.
//
//   code 1, value -3   "the index `token` is -3 where it reads `table` along `v`; allowed is 0 to
//   8"

// The text of a fault, with a place for the value.
std::string fault_text(const SourceLocation& where, const Read& read, size_t dim);

constexpr int kFaultValueShift = 16;  // the code is below, from 1; values keep 48 bits
constexpr int64_t fault_code(int64_t fault) {
  return fault & ((int64_t{1} << kFaultValueShift) - 1);
}
constexpr int64_t fault_value(int64_t fault) {
  return fault >> kFaultValueShift;
}

// `texts` by code - 1.
std::string describe_fault(const std::vector<std::string>& texts, int64_t fault);

}  // namespace tessera
