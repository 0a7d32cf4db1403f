#pragma once

#include <string>

#include "ir/program.h"

namespace tessera {

// The program as text; parse(print(p)) == p and print(parse(print(p))) == print(p).
std::string print(const Program& program);
// For comparing programs line by line, linear in distinct nodes: as `print`, but what a formula
// uses more than once stands before it on a line of its own and is called %1, %2, …
std::string comparable_text(const Program& program);
// One formula, with tensors and dims by name: "sum[k](a * b)".
std::string print(const Expr& expr);

}  // namespace tessera
