#include "ir/lex.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/utf8.h"
#include "ir/scalar.h"

namespace tessera {
namespace {

// Longest first, so that `//` is not read as two `/`.
constexpr std::array<std::string_view, 23> kSymbols = {"**", "//", "==", "!=", "<=", ">=", "+", "-",
                                                       "*",  "/",  "%",  "<",  ">",  "=",  "(", ")",
                                                       "[",  "]",  ",",  ":",  "{",  "}",  ";"};

struct Hint {
  std::string_view found;
  const char* write;
};
constexpr std::array<Hint, 7> kHints = {{{"&", "`and`"},
                                         {"|", "`or`"},
                                         {"!", "`not`"},
                                         {"^", "`**`"},
                                         {"\"", "a name without quotes, or `…` in backquotes"},
                                         {"'", "a name without quotes, or `…` in backquotes"},
                                         {".", "a digit before the point, as in 0.5"}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool continues_name(char c) {
  return starts_name(c) || is_digit(c);
}

class Lexer {
 public:
  Lexer(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  std::vector<Token> run() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = line_start_ = 3;  // byte order mark
    while (at_ < text_.size()) step();
    if (open_ > 0) open_ = 0;  // the parser reports what is not closed
    newline();
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  SourceLocation where() const { return {file_, line_, column()}; }
  int column() const { return static_cast<int>(at_ - line_start_) + 1; }

  void add(TokenKind kind, std::string text, bool quoted = false) {
    tokens_.push_back({kind, std::move(text), quoted, line_, column()});
  }

  void newline() {
    if (open_ == 0 && !tokens_.empty() && tokens_.back().kind != TokenKind::newline)
      add(TokenKind::newline, "");
  }

  void step() {
    const char c = peek();
    if (c == '\n') {
      newline();
      ++at_;
      ++line_;
      line_start_ = at_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '#') {
      while (at_ < text_.size() && peek() != '\n') ++at_;
    } else if (is_digit(c)) {
      number();
    } else if (starts_name(c)) {
      name();
    } else if (c == '`') {
      quoted_name();
    } else {
      symbol();
    }
  }

  void number() {
    size_t end = at_;
    const auto digits = [&] {
      while (end < text_.size() && is_digit(text_[end])) ++end;
    };
    digits();
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      ++end;
      digits();
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      size_t power = end + 1;
      if (power < text_.size() && (text_[power] == '+' || text_[power] == '-')) ++power;
      if (power < text_.size() && is_digit(text_[power])) {
        end = power;
        digits();
      }
    }
    const std::string found = text_.substr(at_, end - at_);
    if (end < text_.size() && (continues_name(text_[end]) || text_[end] == '.')) {
      const bool dot = text_[end] == '.';
      throw UserError(where(), "`" + found + text_[end] +
                                   "` is neither a number nor a name; write " +
                                   (dot ? "a digit after the point, as in " + found + ".0"
                                        : "`" + found + " * " + text_[end] +
                                              "…` for a product, and names with a letter first"));
    }
    add(TokenKind::number, found);
    at_ = end;
  }

  void name() {
    size_t end = at_ + 1;
    while (end < text_.size() &&
           (continues_name(text_[end]) ||
            (text_[end] == '.' && end + 1 < text_.size() && continues_name(text_[end + 1]))))
      ++end;
    add(TokenKind::name, text_.substr(at_, end - at_));
    at_ = end;
  }

  void quoted_name() {
    std::string name;
    size_t end = at_ + 1;
    for (; end < text_.size() && text_[end] != '`' && text_[end] != '\n'; ++end) {
      if (text_[end] == '\\' && end + 1 < text_.size() && text_[end + 1] != '\n') {
        ++end;
        name += text_[end] == 'n' ? '\n' : text_[end];
      } else {
        name += text_[end];
      }
    }
    if (const size_t bad = first_not_utf8({text_.data() + at_, end - at_});
        bad != std::string_view::npos) {
      at_ += bad;
      throw UserError(where(),
                      fmt::format("the byte 0x{:02x} in this name is no UTF-8; write names "
                                  "in UTF-8",
                                  static_cast<unsigned char>(text_[at_])));
    }
    if (end >= text_.size() || text_[end] != '`')
      throw UserError(where(), "the name after ` is not closed on this line; end it with `");
    add(TokenKind::name, name, true);
    at_ = end + 1;
  }

  void symbol() {
    const std::string_view rest = std::string_view(text_).substr(at_);
    for (const std::string_view candidate : kSymbols) {
      if (!rest.starts_with(candidate)) continue;
      add(TokenKind::symbol, std::string(candidate));
      if (candidate == "(" || candidate == "[") ++open_;
      if ((candidate == ")" || candidate == "]") && open_ > 0) --open_;
      at_ += candidate.size();
      return;
    }
    const auto c = static_cast<unsigned char>(rest[0]);
    const std::string shown = c >= 0x20 && c < 0x7f ? "`" + std::string(1, rest[0]) + "`"
                                                    : fmt::format("the byte 0x{:02x}", c);
    std::string write = "names, numbers, + - * / // % ** == != < <= > >= = ( ) [ ] { } , : ; and #";
    for (const Hint& hint : kHints)
      if (rest.starts_with(hint.found)) write = hint.write;
    throw UserError(where(), shown + " has no meaning here; write " + write);
  }

  const std::string& text_;
  const std::string& file_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  int line_ = 1;
  int open_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(const std::string& text, const std::string& file) {
  return Lexer(text, file).run();
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::name:
    case TokenKind::symbol:
      return "`" + token.text + "`";
    case TokenKind::number:
      return "the number " + token.text;
    case TokenKind::newline:
      return "the end of the line";
    case TokenKind::end:
      return "the end of the file";
  }
  return "";
}

const std::vector<std::string>& reduction_names() {
  static const std::vector<std::string> names = {"sum",    "prod",   "max", "min", "mean",
                                                 "argmax", "argmin", "any", "all", "cumsum"};
  return names;
}

std::vector<std::string> function_names() {
  std::vector<std::string> names;
  for (const FnInfo& row : all_functions())
    if (row.symbol[0] == '\0' && row.fn != Fn::cast) names.emplace_back(row.name);
  return names;
}

bool is_reserved(std::string_view word) {
  static const std::vector<std::string_view> words = {
      "and", "or", "not", "inf", "nan", "true", "false", "pi", "pad", "grad", "normal", "uniform"};
  DType type;
  const FnInfo* function = find_function(word);
  return std::find(words.begin(), words.end(), word) != words.end() || parse_dtype(word, type) ||
         (function != nullptr && function->fn != Fn::cast) ||
         std::find(reduction_names().begin(), reduction_names().end(), word) !=
             reduction_names().end();
}

bool is_plain_name(std::string_view text) {
  if (text.empty() || !starts_name(text[0])) return false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (continues_name(text[i])) continue;
    if (text[i] != '.' || i + 1 == text.size() || !continues_name(text[i + 1])) return false;
  }
  return true;
}

}  // namespace tessera
