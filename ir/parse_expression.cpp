#include <algorithm>

#include "base/error.h"
#include "ir/parse_tokens.h"

namespace tessera {

int binary_level(std::string_view symbol) {
  if (symbol == "or") return kOrLevel;
  if (symbol == "and") return 2;
  if (symbol == "==" || symbol == "!=" || symbol == "<" || symbol == "<=" || symbol == ">" ||
      symbol == ">=")
    return kComparisonLevel;
  if (symbol == "+" || symbol == "-") return 5;
  if (symbol == "*" || symbol == "/" || symbol == "//" || symbol == "%") return 6;
  if (symbol == "**") return kPowerLevel;
  return 0;
}

namespace {

// Every level of nesting passes `binary` at most twice, so this admits any formula whose height is
// admitted.
constexpr int kMaxNesting = 2 * kMaxFormulaHeight + 16;

class ExpressionReader {
 public:
  explicit ExpressionReader(TokenReader& tokens) : tokens_(tokens) {}

  SyntaxPtr binary(int min_level) {
    if (++nesting_ > kMaxNesting) too_deep(tokens_.here());
    SyntaxPtr left = prefix(min_level);
    while (true) {
      const Token& op = tokens_.peek();
      const bool may_operate =
          op.kind == TokenKind::symbol || (op.kind == TokenKind::name && !op.quoted);
      const int level = may_operate ? binary_level(op.text) : 0;
      if (level == 0 || level < min_level) break;
      const Token symbol = tokens_.next();
      const SyntaxPtr right = binary(level == kPowerLevel ? kUnaryLevel : level + 1);
      left = operation(symbol, {left, right});
      if (level == kComparisonLevel) reject_chain(symbol);
    }
    --nesting_;
    return left;
  }

 private:
  [[noreturn]] static void too_deep(const SourceLocation& where) {
    throw UserError(where, "the formula nests more than " + std::to_string(kMaxFormulaHeight) +
                               " operations; give parts of it names, as in `part = …`");
  }

  SyntaxPtr finish(Syntax syntax) {
    int height = 0;
    for (const SyntaxPtr& child : syntax.children) height = std::max(height, child->height);
    for (const IndexSyntax& index : syntax.indices) {
      height = std::max(height, index.value->height);
      if (index.pad) height = std::max(height, index.pad->height);
    }
    syntax.height = height + 1;
    if (syntax.height > kMaxFormulaHeight) too_deep(syntax.where);
    return std::make_shared<const Syntax>(std::move(syntax));
  }

  SyntaxPtr operation(const Token& symbol, std::vector<SyntaxPtr> operands) {
    Syntax syntax;
    syntax.kind = Syntax::Kind::operation;
    syntax.where = tokens_.where(symbol);
    syntax.text = symbol.text;
    syntax.children = std::move(operands);
    return finish(std::move(syntax));
  }

  void reject_chain(const Token& symbol) const {
    const Token& next = tokens_.peek();
    if (next.kind != TokenKind::symbol || binary_level(next.text) != kComparisonLevel) return;
    tokens_.fail("comparisons do not chain: `" + next.text + "` follows `" + symbol.text +
                 "`; write a " + symbol.text + " b and b " + next.text + " c");
  }

  SyntaxPtr prefix(int min_level) {
    if (tokens_.at_word("not")) {
      if (min_level > kNotLevel)
        tokens_.fail("`not` binds looser than the operator before it; write (not …)");
      const Token symbol = tokens_.next();
      return operation(symbol, {binary(kNotLevel)});
    }
    if (!tokens_.at_symbol("-")) return postfix(primary());
    const Token symbol = tokens_.next();
    const SyntaxPtr operand = binary(kUnaryLevel);
    if (operand->kind != Syntax::Kind::number) return operation(symbol, {operand});
    Syntax negative = *operand;  // -5 is a number, so that the least i32 can be written
    negative.where = tokens_.where(symbol);
    negative.text = negative.text[0] == '-' ? negative.text.substr(1) : "-" + negative.text;
    return finish(std::move(negative));
  }

  SyntaxPtr primary() {
    const Token token = tokens_.peek();
    if (token.kind == TokenKind::number) {
      tokens_.next();
      Syntax syntax;
      syntax.where = tokens_.where(token);
      syntax.text = token.text;
      return finish(std::move(syntax));
    }
    if (tokens_.take_symbol("(")) {
      const SyntaxPtr inside = binary(kOrLevel);
      tokens_.expect_close(")", token, "an operator");
      return inside;
    }
    if (token.kind == TokenKind::name && (token.quoted || !is_operator_word(token.text)))
      return name_or_call();
    tokens_.fail("found " + describe(token) +
                 " where a value was expected: a number, a name, a call, `(` or `-`");
  }

  static bool is_operator_word(std::string_view text) {
    return text == "and" || text == "or" || text == "pad";
  }

  SyntaxPtr name_or_call() {
    const Token token = tokens_.next();
    Syntax syntax;
    syntax.kind = Syntax::Kind::name;
    syntax.where = tokens_.where(token);
    syntax.text = token.text;
    syntax.quoted = token.quoted;
    if (tokens_.at_symbol("[") && !starts_index()) {
      const Token open = tokens_.next();
      syntax.brackets = true;
      syntax.dims = tokens_.name_list(open, "the name of a dim");
      if (!tokens_.at_symbol("("))
        tokens_.fail("found " + describe(tokens_.peek()) + " after " + token.text +
                     "[…]: a call goes on with `(`, as in sum[k](x); an index is by name, as in " +
                     "t[y: 0]");
    }
    if (tokens_.at_symbol("(")) {
      syntax.kind = Syntax::Kind::call;
      syntax.children = arguments();
    }
    return finish(std::move(syntax));
  }

  // Does `[name :` come next?
  bool starts_index() const {
    return tokens_.peek(1).kind == TokenKind::name && tokens_.peek(2).kind == TokenKind::symbol &&
           tokens_.peek(2).text == ":";
  }

  std::vector<SyntaxPtr> arguments() {
    const Token open = tokens_.next();
    std::vector<SyntaxPtr> list;
    if (tokens_.take_symbol(")")) return list;
    do {
      list.push_back(binary(kOrLevel));
    } while (tokens_.take_symbol(","));
    tokens_.expect_close(")", open, "`,` or an operator");
    return list;
  }

  SyntaxPtr postfix(SyntaxPtr base) {
    while (tokens_.at_symbol("[")) {
      const Token open = tokens_.next();
      Syntax syntax;
      syntax.kind = Syntax::Kind::index;
      syntax.where = tokens_.where(open);
      syntax.children = {base};
      do {
        IndexSyntax index;
        index.dim = tokens_.expect_name("the name of a dim");
        tokens_.expect_symbol(":", "after `" + index.dim.text + "`: an index is t[y: VALUE]");
        index.value = binary(kOrLevel);
        if (tokens_.take_word("pad")) index.pad = binary(kOrLevel);
        syntax.indices.push_back(std::move(index));
      } while (tokens_.take_symbol(","));
      tokens_.expect_close("]", open, "`,`, `pad` or an operator");
      base = finish(std::move(syntax));
    }
    return base;
  }

  TokenReader& tokens_;
  int nesting_ = 0;
};

}  // namespace

SyntaxPtr read_expression(TokenReader& tokens) {
  return ExpressionReader(tokens).binary(kOrLevel);
}

}  // namespace tessera
