#include "ir/print_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "ir/parse_tokens.h"
#include "ir/print_names.h"

namespace tessera {
namespace {

std::string parenthesised(const std::string& text, int level, int min_level) {
  return level < min_level ? "(" + text + ")" : text;
}

// Which arguments take one type from one another? First of them, or none.
size_t first_unified(const FnInfo& row) {
  switch (row.rule) {
    case TypeRule::number:
    case TypeRule::floating:
    case TypeRule::comparison:
    case TypeRule::counter:
      return 0;
    case TypeRule::select:
      return 1;
    case TypeRule::logical:
    case TypeRule::conversion:
      break;
  }
  return static_cast<size_t>(row.arity);
}

// The type that a literal has alone.
bool is_default(DType type) {
  return type == DType::i32 || type == DType::f32;
}

// May argument i stand as a bare literal? Where all are constants, literals would be folded, or
// take the default type, so the first is written with its type.
bool may_be_bare(const FnInfo& row, const std::vector<Expr>& args, size_t i) {
  if (row.rule == TypeRule::counter) return true;
  const size_t first = first_unified(row);
  if (i < first) return false;
  const bool all_constant =
      std::all_of(args.begin() + static_cast<std::ptrdiff_t>(first), args.end(),
                  [](const Expr& arg) { return as<Constant>(arg) != nullptr; });
  if (!all_constant || i > first) return true;
  const bool folds = row.rule == TypeRule::number || row.rule == TypeRule::floating;
  return !folds && is_default(args[i].type());
}

}  // namespace

std::string literal(const Scalar& value) {
  std::string text = describe(value);
  if (!is_float(value.type)) return text;
  if (value.type == DType::f32 && std::isfinite(value.f)) {
    // Read as f64 and then rounded, the shortest f32 text could miss by one step.
    const double back = std::strtod(text.c_str(), nullptr);
    if (static_cast<double>(static_cast<float>(back)) != value.f) text = fmt::format("{}", value.f);
  }
  return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
}

std::string ExpressionPrinter::definition(const Expr& value) const {
  return text(value, kOrLevel, is_default(value.type()));
}

std::string ExpressionPrinter::name(const Dim& dim) const {
  const auto it = dim_names_.find(dim);
  return quoted(it == dim_names_.end() ? dim.name() : it->second);
}

std::string ExpressionPrinter::list(const Dims& dims) const {
  std::vector<std::string> parts;
  for (const Dim& dim : dims) parts.push_back(name(dim));
  return join(parts);
}

std::string ExpressionPrinter::text(const Expr& expr, int min_level, bool bare) const {
  if (const Constant* constant = as<Constant>(expr)) {
    std::string number = literal(constant->value);
    if (constant->value.type == DType::b8) return number;
    if (!bare && !constant->weak) return std::string(name_of(expr.type())) + "(" + number + ")";
    return parenthesised(number, number[0] == '-' ? kUnaryLevel : kPrimaryLevel, min_level);
  }
  if (const IndexOf* index = as<IndexOf>(expr)) return name(index->dim);
  if (const Read* found = as<Read>(expr)) return read(*found);
  if (const Looped* looped = as<Looped>(expr)) return text(looped->value, min_level, bare);
  if (const Gradient* gradient = as<Gradient>(expr))
    return (gradient->loss.dims().empty() ? "grad"
                                          : "grad[" + list(sorted(gradient->loss.dims())) + "]") +
           std::string("(") + quoted(gradient->loss.name()) + ", " + quoted(gradient->wrt.name()) +
           ")";
  if (const Reduce* reduce = as<Reduce>(expr))
    return std::string(name_of(reduce->op)) + "[" + list(reduce->dims) + "](" +
           text(reduce->body, kOrLevel, false) + ")";
  return apply(expr, min_level);
}

std::string ExpressionPrinter::apply(const Expr& expr, int min_level) const {
  const Apply& node = *as<Apply>(expr);
  const FnInfo& row = info(node.fn);
  const auto argument = [&](size_t i, int level) {
    return text(node.args[i], level, may_be_bare(row, node.args, i));
  };
  const std::string symbol = row.symbol;
  if (symbol.empty()) {
    std::string call = node.fn == Fn::cast ? name_of(expr.type()) : row.name;
    for (size_t i = 0; i < node.args.size(); ++i)
      call += (i == 0 ? "(" : ", ") + argument(i, kOrLevel);
    return call + ")";
  }
  if (row.arity == 1) {
    const bool negates = node.fn == Fn::neg;
    const int level = negates ? kUnaryLevel : kNotLevel;
    return parenthesised((negates ? "-" : "not ") + argument(0, level), level, min_level);
  }
  const int level = binary_level(symbol);
  const bool power = level == kPowerLevel;
  const int left = power || level == kComparisonLevel ? level + 1 : level;
  const int right = power ? kUnaryLevel : level + 1;
  return parenthesised(argument(0, left) + " " + symbol + " " + argument(1, right), level,
                       min_level);
}

std::string ExpressionPrinter::read(const Read& read) const {
  const Dims& dims = read.tensor.dims();
  std::vector<std::string> entries;
  for (size_t i = 0; i < dims.size(); ++i) {
    const Index& index = read.indices[i];
    const IndexOf* plain = as<IndexOf>(index.value);
    if (plain != nullptr && plain->dim == dims[i] && !index.padded) continue;
    std::string entry =
        name(dims[i]) + ": " + text(index.value, kOrLevel, index.value.type() == DType::i32);
    if (index.padded) {
      TESSERA_CHECK(read.pad.has_value()) << "a padded read of `" << read.tensor.name() << "`";
      entry += " pad " + literal(*read.pad);
    }
    entries.push_back(std::move(entry));
  }
  const std::string tensor = quoted(read.tensor.name());
  return entries.empty() ? tensor : tensor + "[" + join(entries) + "]";
}

}  // namespace tessera
