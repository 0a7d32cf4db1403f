#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "ir/loop.h"
#include "ir/parse_formula.h"

namespace tessera {

// What a name means after a loop: the last value that was carried, or all that were collected.
struct LoopValue {
  NameAt name;
  Expr value;
};

// Gives `loop` statements their meaning through loop() of loop.h. Inside, a carried name is its
// value so far until a line redefines it; other names made there are unknown outside.
//
//   loop i = 3 carry x = x0 { half = x / 2; x = half + 1 }
class LoopBuilder {
 public:
  using Integer = std::function<int64_t(const Syntax&)>;

  LoopBuilder(Scope& scope, FormulaBuilder& formulas, Integer integer)
      : scope_(scope), formulas_(formulas), integer_(std::move(integer)) {}

  // `frame`: the names of the loops around, or null.
  std::vector<LoopValue> build(const Statement& statement, const Frame* frame) const;

 private:
  Dim counter(const Statement& statement, const Frame* frame) const;
  Iteration iterate(const Statement& statement, Frame frame,
                    const std::vector<Tensor>& carried) const;
  void define(const Statement& line, const LoopSyntax& loop, Frame& frame,
              std::set<std::string>& made) const;

  Scope& scope_;
  FormulaBuilder& formulas_;
  Integer integer_;
};

}  // namespace tessera
