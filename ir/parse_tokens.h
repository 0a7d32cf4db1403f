#pragma once

#include <string>
#include <vector>

#include "ir/lex.h"
#include "ir/parse_syntax.h"

namespace tessera {

// A place in the list of tokens, with the checks that every part of the parser makes.
class TokenReader {
 public:
  TokenReader(std::vector<Token> tokens, std::string file)
      : tokens_(std::move(tokens)), file_(std::move(file)) {}

  // The last token, `end`, repeats for ever.
  const Token& peek(size_t ahead = 0) const;
  Token next();
  bool at_symbol(std::string_view symbol) const;
  // An unquoted name with this text.
  bool at_word(std::string_view word) const;
  bool take_symbol(std::string_view symbol);
  bool take_word(std::string_view word);

  // Throws unless the symbol comes next; `context` completes "expected `=` …".
  void expect_symbol(std::string_view symbol, const std::string& context);
  // Throws unless the closing symbol comes next; names the place of the opening one.
  void expect_close(std::string_view symbol, const Token& open, const std::string& also);
  // A name that may be given to something; `what` as in "the name of a dim".
  NameAt expect_name(const std::string& what);
  // "a, b]" after the opening bracket.
  std::vector<NameAt> name_list(const Token& open, const std::string& what);

  SourceLocation where(const Token& token) const { return {file_, token.line, token.column}; }
  SourceLocation here() const { return where(peek()); }
  [[noreturn]] void fail(const std::string& text) const;

 private:
  std::vector<Token> tokens_;
  std::string file_;
  size_t at_ = 0;
};

// Reads one formula. Precedence, loosest first: or; and; not; == != < <= > >= (these do not
// chain); + -; * / // %; unary -; **. All but ** group to the left.
//
//   -a ** 2 + b * c   is   (-(a ** 2)) + (b * c)
SyntaxPtr read_expression(TokenReader& tokens);

// Reads a whole program. Throws UserError at the first token that fits nowhere.
ProgramSyntax read_program(TokenReader& tokens);

// The binding strength of an operator, 1 (`or`) to 8 (`**`), or 0 when the text is no binary
// operator.
int binary_level(std::string_view symbol);
constexpr int kOrLevel = 1;
constexpr int kNotLevel = 3;
constexpr int kComparisonLevel = 4;
constexpr int kUnaryLevel = 7;
constexpr int kPowerLevel = 8;
constexpr int kPrimaryLevel = 9;

}  // namespace tessera
