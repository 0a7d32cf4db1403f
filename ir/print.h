#pragma once

#include <string>

#include "ir/program.h"

namespace tessera {

// The program as text; parse(print(p)) == p and print(parse(print(p))) == print(p).
std::string print(const Program& program);
// One formula, with tensors and dims by name: "sum[k](a * b)".
std::string print(const Expr& expr);

}  // namespace tessera
