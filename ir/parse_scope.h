#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/parse_syntax.h"
#include "ir/program.h"

namespace tessera {

// A formula that is being built, with its height (see kMaxFormulaHeight).
struct Value {
  Expr expr;
  int height = 1;
};

// What the dims and values of one call of a def stand for.
struct Frame {
  std::map<std::string, Dim> dims;
  std::map<std::string, Value> values;
  Dims iterated;  // by the loops around
};

// The names that the lines read so far have made. Dims, tensors and defs share one set of names.
// Look-ups throw a UserError at the name when it is unknown, of another kind, or made further
// down. A null frame means "not inside a def".
class Scope {
 public:
  Scope(const ProgramSyntax& syntax);

  Program& program() { return program_; }

  // From here on the name of a tensor of the program means that tensor. Other tensors, made in the
  // bodies of loops and for updates, cannot be named.
  void show(const NameAt& name) { shown_.insert(name.text); }

  void add_dim(const Dim& dim);
  void add_def(const Statement& def);
  // Throws when the name is taken.
  void check_free(const NameAt& name) const;

  Dim dim(const NameAt& name, const Frame* frame) const;
  // All of a list; throws when one is named twice.
  Dims dims(const std::vector<NameAt>& list, const Frame* frame) const;
  std::optional<Dim> find_dim(const std::string& name, const Frame* frame) const;
  // The value that a name stands for in a formula: an argument, a tensor, or a dim's index.
  Value value(const NameAt& name, const Frame* frame) const;
  Tensor tensor(const NameAt& name, const std::string& purpose) const;
  const Statement& def(const NameAt& name) const;
  // Is a call the extent of a dim, `extent(k)`? A def of that name goes first.
  bool is_extent(const Syntax& call) const;

  // Throws when some name in the body of a def is neither one of its own nor made above it.
  void check_body(const Syntax& body, const Statement& def) const;

  std::vector<std::string> dim_names(const Frame* frame) const;

 private:
  std::optional<Tensor> find_tensor(const std::string& name) const;
  // "defined later", "made in a loop", or nothing.
  void check_made(const NameAt& name) const;
  std::vector<std::string> tensor_names() const;
  std::string callable_names(const std::string& found) const;

  Program program_;
  std::map<std::string, Dim> dims_;
  std::map<std::string, Statement> defs_;
  std::map<std::string, SourceLocation> made_at_;  // of every name in the text
  std::set<std::string> shown_;                    // tensors that have been made by name
};

// The names, cut after a dozen: "a, b, c", "none".
std::string listed(const std::vector<std::string>& names);

}  // namespace tessera
