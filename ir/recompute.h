#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/program.h"

namespace tessera {

// A definition that is computed a second time, so that it need not be kept in between: the
// definition `from`, and whatever stands after it in early_order, reads a copy.
struct Recomputation {
  std::string tensor;
  std::string from;

  bool operator==(const Recomputation&) const = default;
};

// A program, and of which definition each copy in it is one, by name.
struct RecomputingProgram {
  Program program;
  std::map<std::string, std::string> copies;
};

// The same values to the bit, of a program in normal form without loops, and in the order of
// early_order.h, as it is for programs that are short of memory. Each copy stands right before the
// first definition that reads it, and reads copies itself where there are some by then. It is
// marked as a checkpoint's are, so that it is not merged with the first. Without any, the program
// as it is.
//
//   h = tanh(a)                         h = tanh(a)
//   y = sum[k](h * v)                   y = sum[k](h * v)
//   d_v = sum[b](h * d_y)        ->     h_again = checkpoint(tanh(a))
//                                       d_v = sum[b](h_again * d_y)     by {{"h", "d_v"}}
//
// Throws UserError for names that are no definitions, twice the same one, or loops.
RecomputingProgram recomputing(const Program& normal, const std::vector<Recomputation>& which);

}  // namespace tessera
