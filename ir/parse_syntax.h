#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/source_location.h"

namespace tessera {

// The text form as written, before names have meaning: what lies between the tokens (lex.h) and
// the program (parse_build.h).

// Limits that keep a program from exhausting stack or memory. A formula is as high as its longest
// path from root to leaf.
constexpr int kMaxFormulaHeight = 1000;
constexpr int kMaxLoopNesting = 16;
constexpr int64_t kMaxFormulaNodes = 1'000'000;  // of all formulas, defs put in
constexpr int64_t kMaxCreatedNodes = 2'000'000;  // while they are built

struct NameAt {
  std::string text;
  SourceLocation where;
  bool quoted = false;
};

struct Syntax;
using SyntaxPtr = std::shared_ptr<const Syntax>;

// One entry of t[y: value pad pad].
struct IndexSyntax {
  NameAt dim;
  SyntaxPtr value;
  SyntaxPtr pad;  // null without a pad
};

struct Syntax {
  enum class Kind {
    number,     // text: "2", "-0.5", "1e9"
    name,       // text; a tensor, a dim, a def's argument, `inf`, `true`, …
    operation,  // text: the symbol; one or two children
    call,       // text[dims](children): a function, reduction, cast or def
    index       // children[0][indices]
  };
  Kind kind = Kind::number;
  SourceLocation where;  // of the operator in an operation
  std::string text;
  bool quoted = false;
  bool brackets = false;  // of a call: were there any?
  std::vector<NameAt> dims;
  std::vector<SyntaxPtr> children;
  std::vector<IndexSyntax> indices;
  int height = 1;
};

struct PinSyntax {
  NameAt dim;
  NameAt axis;
};

struct LoopSyntax;

// One line; `dim a = 4, b = 8` is two statements.
struct Statement {
  enum class Kind { dim, input, param, state, def, definition, carry, loop, update, output, pin };
  Kind kind = Kind::definition;
  NameAt name;
  bool brackets = false;
  std::vector<NameAt> dims;
  std::optional<NameAt> type;
  std::vector<NameAt> values;  // of a def
  std::vector<PinSyntax> pins;
  SyntaxPtr value;                         // null where there is none
  std::shared_ptr<const LoopSyntax> loop;  // of a carry: over, down; of a loop: all of it
};

// loop i = 3 carry r = r0 { … }; `name` of the statement is the counter.
struct LoopSyntax {
  std::optional<NameAt> over;  // the dim that is iterated, or the dim of a carry
  bool descending = false;
  SyntaxPtr condition;  // null where there is none
  std::vector<Statement> carried;
  std::vector<NameAt> collected;
  std::vector<Statement> body;  // definitions
};

struct ProgramSyntax {
  NameAt name;
  std::vector<Statement> statements;
};

}  // namespace tessera
