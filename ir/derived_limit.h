#pragma once

#include "ir/program.h"

namespace tessera {

// Counts what gradients add to a program. A derivative is some times as large as what it is taken
// of, and so is its own derivative: only gradients of gradients go on growing.
class DerivedLimit {
 public:
  explicit DerivedLimit(const Program& program);

  // UserError at `where` when there are too many operations with those of `value`.
  void count(const Expr& value, const SourceLocation& where);

 private:
  std::string program_;
  size_t most_;
  size_t count_ = 0;
};

}  // namespace tessera
