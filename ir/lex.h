#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/source_location.h"

namespace tessera {

enum class TokenKind : uint8_t { name, number, symbol, newline, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;     // a quoted name without its quotes
  bool quoted = false;  // a name written in backquotes: never a keyword or a function
  int line = 1;
  int column = 1;
};

// Splits a program into tokens. Newlines end statements and are dropped inside ( ) and [ ];
// `#` starts a comment. Columns count bytes. Throws UserError at a character that starts no token.
//
//   "a = 2*b"  ->  name a, symbol =, number 2, symbol *, name b, newline, end
std::vector<Token> lex(const std::string& text, const std::string& file);

// "`x`", "the number 3", "the end of the line": for messages.
std::string describe(const Token& token);

// Words with a meaning inside expressions: functions, reductions, casts, `and`, `inf`, … They name
// something else only in backquotes.
bool is_reserved(std::string_view word);

// Does the text lex as one name without quotes, reserved or not? Letters, digits, `_`, and single
// dots between them; the first is a letter or `_`.
bool is_plain_name(std::string_view text);

// "sum", "prod", "max", "min", "mean", "argmax", "argmin", "any", "all", "cumsum".
const std::vector<std::string>& reduction_names();
// Scalar functions written name(…): "abs", "exp", … "where".
std::vector<std::string> function_names();

}  // namespace tessera
