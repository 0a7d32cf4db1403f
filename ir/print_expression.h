#pragma once

#include <map>
#include <string>

#include "ir/expr.h"

namespace tessera {

// Prints formulas with the fewest parentheses and casts that read back as the same formula.
class ExpressionPrinter {
 public:
  explicit ExpressionPrinter(std::map<Dim, std::string> dim_names)
      : dim_names_(std::move(dim_names)) {}

  // The whole right side of a definition.
  std::string definition(const Expr& value) const;

  // "a, b" for the given dims.
  std::string list(const Dims& dims) const;
  std::string name(const Dim& dim) const;

 private:
  // `bare`: does the place give a literal the type that the constant has?
  std::string text(const Expr& expr, int min_level, bool bare) const;
  std::string apply(const Expr& expr, int min_level) const;
  std::string read(const Read& read) const;

  std::map<Dim, std::string> dim_names_;
};

// A number that reads back as the same literal: floats have a point, an exponent or a word.
std::string literal(const Scalar& value);

}  // namespace tessera
