#pragma once

#include <unordered_map>

#include "ir/parse_scope.h"

namespace tessera {

// Gives formulas their meaning: names are looked up, types checked, defs put in. Everything that
// is wrong is a UserError at the token concerned; inside a def the place of the call is added.
class FormulaBuilder {
 public:
  explicit FormulaBuilder(Scope& scope) : scope_(scope) {}

  Expr build(const Syntax& syntax, const Frame* frame = nullptr) {
    return value(syntax, frame).expr;
  }

  // Names a formula within the program, after checking its size.
  Tensor define(const NameAt& name, const Expr& value, const Dims& order = {});
  // The same inside a loop: the program takes the definition in, and names it, when it takes the
  // loop.
  Tensor define_in_loop(const NameAt& name, const Expr& value, const Dims& order = {});
  // How much has been written so far; what a loop writes in an attempt that it gives up is
  // forgotten.
  int64_t written() const { return written_; }
  void forget_beyond(int64_t written) { written_ = written; }
  // Throws when the program's formulas have grown too large, or a tensor too big.
  void check_size(const Expr& value, const Dims& dims, const SourceLocation& where);

  // A constant of a border line or pad: a number, or a formula of numbers.
  // `literal` learns whether it still adopts the type of what it meets.
  Scalar constant(const Syntax& syntax, const std::string& purpose, bool* literal = nullptr);

 private:
  // One entry of an index: what replaces a dim, and whether some dim of the tensor is read by just
  // that dim.
  struct Substitute {
    const IndexSyntax* syntax;
    Expr value;
    bool direct;
  };

  Value value(const Syntax& syntax, const Frame* frame);
  Value number(const Syntax& syntax);
  Value name(const Syntax& syntax, const Frame* frame);
  Value operation(const Syntax& syntax, const Frame* frame);
  Value index(const Syntax& syntax, const Frame* frame);
  Expr substituted(const Expr& base, std::map<Dim, Substitute>& entries, const Syntax& syntax);
  Value call(const Syntax& syntax, const Frame* frame);
  Value extent(const Syntax& syntax, const Frame* frame);
  Value call_def(const Syntax& syntax, const Frame* frame);
  Value reduction(const Syntax& syntax, const Frame* frame);
  Value gradient(const Syntax& syntax, const Frame* frame);
  Value random(const Syntax& syntax, const Frame* frame);
  std::vector<Value> arguments(const Syntax& syntax, const Frame* frame);
  // One more node over `children`.
  Value over(const Expr& expr, const std::vector<Value>& children, const Syntax& syntax);
  Scalar pad_value(const Syntax& syntax, DType type);
  // A definition that its reader will name.
  Tensor unnamed(const Expr& value, const SourceLocation& where);

  // A call whose arguments are the very same formulas gives the same one, so that defs which call
  // others twice on what they get do not build it twice.
  struct CallKey {
    const Statement* def;
    std::vector<const ExprNode*> args;
    Dims dims;  // in the order of the names that the def has for them
    Dims iterated;
    bool operator==(const CallKey&) const = default;
  };
  struct CallHash {
    size_t operator()(const CallKey& key) const;
  };
  struct Call {
    std::vector<Value> args;  // which the key points to
    Value result;
  };
  static CallKey key_of(const Statement& def, const Frame& inner, const std::vector<Value>& args);

  Scope& scope_;
  std::unordered_map<CallKey, Call, CallHash> called_;
  int64_t created_ = 0;  // nodes
  int64_t written_ = 0;  // distinct nodes of all definitions
  int calls_ = 0;        // defs being put in, one within the other
};

}  // namespace tessera
