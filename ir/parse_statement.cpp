#include <algorithm>

#include "base/dtype.h"
#include "base/error.h"
#include "ir/parse_tokens.h"

namespace tessera {

const Token& TokenReader::peek(size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

Token TokenReader::next() {
  const Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenReader::at_symbol(std::string_view symbol) const {
  return peek().kind == TokenKind::symbol && peek().text == symbol;
}

bool TokenReader::at_word(std::string_view word) const {
  return peek().kind == TokenKind::name && !peek().quoted && peek().text == word;
}

bool TokenReader::take_symbol(std::string_view symbol) {
  const bool found = at_symbol(symbol);
  if (found) next();
  return found;
}

bool TokenReader::take_word(std::string_view word) {
  const bool found = at_word(word);
  if (found) next();
  return found;
}

void TokenReader::fail(const std::string& text) const {
  throw UserError(here(), text);
}

void TokenReader::expect_symbol(std::string_view symbol, const std::string& context) {
  if (take_symbol(symbol)) return;
  fail("found " + describe(peek()) + " where `" + std::string(symbol) + "` was expected " +
       context);
}

void TokenReader::expect_close(std::string_view symbol, const Token& open,
                               const std::string& also) {
  if (take_symbol(symbol)) return;
  fail("found " + describe(peek()) + " where " + also + " or `" + std::string(symbol) +
       "` was expected, to close the `" + open.text + "` of line " + std::to_string(open.line) +
       ", column " + std::to_string(open.column) +
       (at_symbol("=") ? "; values are compared by ==" : ""));
}

NameAt TokenReader::expect_name(const std::string& what) {
  const Token& token = peek();
  if (token.kind != TokenKind::name)
    fail("found " + describe(token) + " where " + what + " was expected");
  if (!token.quoted && is_reserved(token.text))
    fail("`" + token.text + "` has a meaning of its own and cannot be " + what +
         "; choose another name, or write it in backquotes");
  const Token taken = next();
  return {taken.text, where(taken), taken.quoted};
}

std::vector<NameAt> TokenReader::name_list(const Token& open, const std::string& what) {
  std::vector<NameAt> list;
  do {
    list.push_back(expect_name(what));
  } while (take_symbol(","));
  expect_close("]", open, "`,`");
  return list;
}

namespace {

const std::vector<std::string>& statement_words() {
  static const std::vector<std::string> words = {"dim",   "input", "param",  "state",  "def",
                                                 "carry", "loop",  "update", "output", "pin"};
  return words;
}

class StatementReader {
 public:
  explicit StatementReader(TokenReader& tokens) : tokens_(tokens) {}

  ProgramSyntax run() {
    ProgramSyntax program;
    while (skip_newline()) {
    }
    if (!tokens_.at_word("program"))
      tokens_.fail("found " + describe(tokens_.peek()) +
                   " where `program NAME` was expected: a program starts with its name");
    tokens_.next();
    program.name = tokens_.expect_name("the name of the program");
    end_of_line("the program's name");
    while (tokens_.peek().kind != TokenKind::end) {
      if (!skip_newline()) statement(program.statements);
    }
    return program;
  }

 private:
  bool skip_newline() {
    if (tokens_.peek().kind != TokenKind::newline) return false;
    tokens_.next();
    return true;
  }

  void end_of_line(const std::string& after) {
    if (tokens_.peek().kind == TokenKind::end || skip_newline()) return;
    tokens_.fail("found " + describe(tokens_.peek()) + " after " + after +
                 ", where the line should end; a line holds one statement");
  }

  // A statement's word is one only before a name, so tensors may be called `output` or `state`.
  void statement(std::vector<Statement>& out) {
    const Token word = tokens_.peek();
    if (word.kind == TokenKind::name && tokens_.peek(1).kind == TokenKind::name && !word.quoted) {
      if (word.text == "dim") return dims(out);
      if (word.text == "input") return border(out, Statement::Kind::input);
      if (word.text == "param") return border(out, Statement::Kind::param);
      if (word.text == "state") return border(out, Statement::Kind::state);
      if (word.text == "def") return def(out);
      if (word.text == "carry") return carry(out);
      if (word.text == "loop") return out.push_back(loop());
      if (word.text == "update") return update(out);
      if (word.text == "output") return output(out);
      if (word.text == "pin") return pin(out);
      if (word.text == "program") tokens_.fail("a file holds one program, and this is the second");
    }
    if (word.kind == TokenKind::name && is_definition_next()) return definition(out);
    tokens_.fail("found " + describe(word) +
                 (word.kind == TokenKind::name ? " at the start of a line, which is no statement"
                                               : " where a statement was expected") +
                 "; statements are " + join(statement_words()) + " and NAME = FORMULA" +
                 (word.kind == TokenKind::name ? did_you_mean(word.text, statement_words()) : ""));
  }

  bool is_definition_next() const {
    const Token& token = tokens_.peek(1);
    return token.kind == TokenKind::symbol && (token.text == "=" || token.text == "[");
  }

  void optional_dims(Statement& statement) {
    if (!tokens_.at_symbol("[")) return;
    const Token open = tokens_.next();
    statement.brackets = true;
    statement.dims = tokens_.name_list(open, "the name of a dim");
  }

  void value(Statement& statement, const std::string& context) {
    tokens_.expect_symbol("=", context);
    statement.value = read_expression(tokens_);
    end_of_line("the formula");
  }

  void dims(std::vector<Statement>& out) {
    tokens_.next();
    do {
      Statement statement;
      statement.kind = Statement::Kind::dim;
      statement.name = tokens_.expect_name("the name of a dim");
      tokens_.expect_symbol("=",
                            "after the name of a dim, as in dim " + statement.name.text + " = 4");
      statement.value = read_expression(tokens_);
      out.push_back(std::move(statement));
    } while (tokens_.take_symbol(","));
    end_of_line("the extent");
  }

  void border(std::vector<Statement>& out, Statement::Kind kind) {
    const Token word = tokens_.next();
    Statement statement;
    statement.kind = kind;
    statement.name = tokens_.expect_name("the name of a tensor");
    optional_dims(statement);
    if (tokens_.take_symbol(":")) {
      const Token& token = tokens_.peek();
      if (token.kind != TokenKind::name)
        tokens_.fail("found " + describe(token) + " where a type was expected: " + dtype_names());
      const Token type = tokens_.next();
      statement.type = NameAt{type.text, tokens_.where(type), false};
    }
    if (tokens_.at_symbol("=")) {
      if (kind == Statement::Kind::input)
        tokens_.fail(
            "an input is fed at every step and has no first value; remove it, or write "
            "`param` or `state`");
      tokens_.next();
      statement.value = read_expression(tokens_);
    }
    end_of_line("the " + word.text);
    out.push_back(std::move(statement));
  }

  void def(std::vector<Statement>& out) {
    tokens_.next();
    Statement statement;
    statement.kind = Statement::Kind::def;
    statement.name = tokens_.expect_name("the name of a def");
    optional_dims(statement);
    const Token open = tokens_.peek();
    tokens_.expect_symbol("(", "after the name of a def, as in def f[k](x) = sum[k](x)");
    if (!tokens_.take_symbol(")")) {
      do {
        statement.values.push_back(tokens_.expect_name("the name of a value"));
      } while (tokens_.take_symbol(","));
      tokens_.expect_close(")", open, "`,`");
    }
    value(statement, "after the values of a def");
    out.push_back(std::move(statement));
  }

  void definition(std::vector<Statement>& out) {
    out.push_back(definition_start());
    end_of_line("the formula");
  }

  Statement definition_start() {
    Statement statement;
    statement.kind = Statement::Kind::definition;
    statement.name = tokens_.expect_name("the name of a definition");
    optional_dims(statement);
    tokens_.expect_symbol("=", "after the name of a definition");
    statement.value = read_expression(tokens_);
    return statement;
  }

  // `carry h[a, t] over t = FORMULA`, or `down t`.
  void carry(std::vector<Statement>& out) {
    tokens_.next();
    Statement statement;
    statement.kind = Statement::Kind::carry;
    statement.name = tokens_.expect_name("the name of what is carried");
    optional_dims(statement);
    LoopSyntax loop;
    loop.descending = tokens_.take_word("down");
    if (!loop.descending && !tokens_.take_word("over"))
      tokens_.fail("found " + describe(tokens_.peek()) +
                   " where `over` or `down` was expected, as in carry h over t = 0.0");
    loop.over = tokens_.expect_name("the name of a dim");
    statement.loop = std::make_shared<const LoopSyntax>(std::move(loop));
    value(statement, "after the dim that is iterated, as in carry h over t = 0.0");
    out.push_back(std::move(statement));
  }

  // `loop i = 3 while C carry r = r0, m = m0 { … }`, `loop t over time carry … collect y { … }`.
  Statement loop() {
    if (++loops_ > kMaxLoopNesting)
      tokens_.fail("loops nest more than " + std::to_string(kMaxLoopNesting) + " deep here");
    tokens_.next();
    Statement statement;
    statement.kind = Statement::Kind::loop;
    statement.name = tokens_.expect_name("the name of what counts the iterations");
    LoopSyntax loop;
    if (tokens_.take_word("over")) {
      loop.over = tokens_.expect_name("the name of a dim");
    } else {
      tokens_.expect_symbol("=", "or `over` after the name of what counts, as in loop i = 3");
      statement.value = read_expression(tokens_);
    }
    if (tokens_.take_word("while")) loop.condition = read_expression(tokens_);
    if (!tokens_.take_word("carry"))
      tokens_.fail("found " + describe(tokens_.peek()) +
                   " where `carry` was expected: what goes from one iteration to the next, as in "
                   "loop i = 3 carry x = x0 { x = x / 2 }");
    do {
      loop.carried.push_back(definition_start());
    } while (tokens_.take_symbol(","));
    if (tokens_.take_word("collect")) do {
        loop.collected.push_back(tokens_.expect_name("the name of what is collected"));
      } while (tokens_.take_symbol(","));
    block(loop.body);
    statement.loop = std::make_shared<const LoopSyntax>(std::move(loop));
    --loops_;
    return statement;
  }

  void block(std::vector<Statement>& body) {
    const Token open = tokens_.peek();
    tokens_.expect_symbol("{", "before the definitions that each iteration makes");
    while (true) {
      while (skip_newline() || tokens_.take_symbol(";")) {
      }
      if (tokens_.take_symbol("}")) return;
      const Token word = tokens_.peek();
      if (tokens_.at_word("loop") && tokens_.peek(1).kind == TokenKind::name) {
        body.push_back(loop());
      } else if (word.kind == TokenKind::name && is_definition_next()) {
        body.push_back(definition_start());
      } else {
        tokens_.fail("found " + describe(word) + " in the loop of line " +
                     std::to_string(open.line) +
                     ", which holds definitions NAME = FORMULA and loops, one a line or with `;` "
                     "between them, and ends with `}`");
      }
      if (tokens_.peek().kind != TokenKind::newline && !tokens_.at_symbol(";") &&
          !tokens_.at_symbol("}"))
        tokens_.fail("found " + describe(tokens_.peek()) +
                     " after a definition in a loop, where the line, `;` or `}` was expected");
    }
  }

  void update(std::vector<Statement>& out) {
    tokens_.next();
    Statement statement;
    statement.kind = Statement::Kind::update;
    statement.name = tokens_.expect_name("the name of a parameter or state");
    value(statement, "after the name of what is updated, as in update w = w - dw");
    out.push_back(std::move(statement));
  }

  // `output name[a, b]`, or `output name[a, b] = tensor` when the two are called differently.
  void output(std::vector<Statement>& out) {
    tokens_.next();
    Statement statement;
    statement.kind = Statement::Kind::output;
    statement.name = tokens_.expect_name("the name of a tensor");
    optional_dims(statement);
    if (tokens_.take_symbol("=")) statement.value = read_expression(tokens_);
    end_of_line("the output");
    out.push_back(std::move(statement));
  }

  void pin(std::vector<Statement>& out) {
    tokens_.next();
    Statement statement;
    statement.kind = Statement::Kind::pin;
    statement.name = tokens_.expect_name("the name of a tensor");
    const Token open = tokens_.peek();
    tokens_.expect_symbol("[", "after the name of a tensor, as in pin w[a: data]");
    do {
      PinSyntax pin;
      pin.dim = tokens_.expect_name("the name of a dim");
      tokens_.expect_symbol(":", "after the name of a dim, as in pin w[a: data]");
      pin.axis = tokens_.expect_name("the name of a mesh axis");
      statement.pins.push_back(std::move(pin));
    } while (tokens_.take_symbol(","));
    tokens_.expect_close("]", open, "`,`");
    end_of_line("the pin");
    out.push_back(std::move(statement));
  }

  TokenReader& tokens_;
  int loops_ = 0;  // that are being read, one within the other
};

}  // namespace

ProgramSyntax read_program(TokenReader& tokens) {
  return StatementReader(tokens).run();
}

}  // namespace tessera
