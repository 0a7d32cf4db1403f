#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/expr.h"

namespace tessera {

class Program;

struct ParameterGradient {
  Tensor parameter;
  Expr gradient;  // of the loss, with the dims of the parameter
};

// Adds to a program what one training step does to its parameters, given all their gradients.
using Optimizer =
    std::function<void(Program& program, const std::vector<ParameterGradient>& gradients)>;

// What a run returns, its dims in the order of the exported array.
struct Output {
  std::string name;
  Tensor value;
  Dims order;
};

// "Keep dim `dim` of `tensor` on mesh axis `axis`."
struct Pin {
  std::string tensor;
  std::string dim;
  std::string axis;
  SourceLocation where;

  bool operator==(const Pin& other) const {
    return tensor == other.tensor && dim == other.dim && axis == other.axis;
  }
};

// One step of a computation: inputs, parameters, state, definitions, updates, outputs. No order of
// dims, no devices. The text form (print.h, parse.h) holds the same. Definitions are in an order
// in which each reads only earlier ones. Not thread-safe while it is being built.
//
//   Program p("dot");
//   Dim k("k", 3);
//   Tensor a = p.input("a", {k}), b = p.input("b", {k});
//   p.output("c", sum(k, a * b));
class Program {
 public:
  explicit Program(std::string name, const SourceLocation& where = std::source_location::current());

  Tensor input(const std::string& name, const Dims& dims, DType type = DType::f32,
               const SourceLocation& where = std::source_location::current());
  Tensor parameter(const std::string& name, const Dims& dims,
                   const Initializer& initializer = zeros(), DType type = DType::f32,
                   const SourceLocation& where = std::source_location::current());
  Tensor state(const std::string& name, const Dims& dims, const Initializer& initializer = zeros(),
               DType type = DType::f32,
               const SourceLocation& where = std::source_location::current());

  // A tensor that goes from one iteration over `over` to the next: `initial` in the first, then
  // what `update` gives it after each. See loop.h.
  Tensor carry(const std::string& name, const Dim& over, const Expr& initial,
               bool descending = false, const Dims& order = {},
               const SourceLocation& where = std::source_location::current());

  // Takes over a tensor as it is, for passes that make one program from another.
  void import(const Tensor& tensor);
  void add_output(const Output& output) { outputs_.push_back(output); }
  void add_update(const Update& update) { updates_.push_back(update); }
  void add_carry(const Update& carry) { carries_.push_back(carry); }

  // Names a value. Definitions that `value` reads and the program does not know yet are added
  // before it; those without a name are called after it, "h.1", "h.2", … `order` as in
  // make_definition.
  Tensor define(const std::string& name, const Expr& value,
                const SourceLocation& where = std::source_location::current(),
                const Dims& order = {});
  void update(const Tensor& target, const Expr& value,
              const SourceLocation& where = std::source_location::current());
  void output(const std::string& name, const Expr& value, const Dims& order = {},
              const SourceLocation& where = std::source_location::current());
  // Updates every parameter that the loss depends on.
  void minimize(const Expr& loss, const Optimizer& optimizer,
                const SourceLocation& where = std::source_location::current());
  void pin(const std::string& tensor, const std::string& dim, const std::string& axis,
           const SourceLocation& where = std::source_location::current());

  const std::string& name() const { return name_; }
  const SourceLocation& where() const { return where_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }  // all, in order of definition
  std::vector<Tensor> with_role(Role role) const;
  std::vector<Tensor> inputs() const { return with_role(Role::input); }
  std::vector<Tensor> parameters() const { return with_role(Role::parameter); }
  std::vector<Tensor> states() const { return with_role(Role::state); }
  std::vector<Tensor> definitions() const { return with_role(Role::definition); }
  const std::vector<Update>& updates() const { return updates_; }
  // What each carried tensor holds after an iteration.
  const std::vector<Update>& carries() const { return carries_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  const std::vector<Pin>& pins() const { return pins_; }

  // What a definition or carried tensor holds, as one formula: a carried one reads what it was
  // updated with, one index of `over` before.
  Expr formula_of(const Tensor& tensor) const;
  // The tensors that this formula reads; none for the others.
  std::vector<Tensor> sources_of(const Tensor& tensor) const;
  // `roots` and all that they are computed from.
  std::set<Tensor> ancestors(const std::vector<Tensor>& roots) const;

  // Every dim that a tensor or expression mentions, in the order of making.
  Dims dims() const;
  std::optional<Tensor> find(const std::string& name) const;
  // As `find`; throws a UserError with the nearest name.
  Tensor get(const std::string& name,
             const SourceLocation& where = std::source_location::current()) const;
  const Update* update_of(const Tensor& target) const;  // of a carried one, its carry

  // A name that no tensor has yet, and none is reserved for: "dw", "dw_2", "dw_3", ...
  std::string fresh_name(const std::string& stem) const;
  // Keeps a name for who asks for it by `define` and the like.
  void reserve(const std::string& name) { reserved_.insert(name); }

  // Dims that the program declares beyond those its tensors have (bound by reductions only, or not
  // used at all), so that a printed program declares them again.
  void declare(const Dim& dim);

  // Same structure: names, extents, types, formulas; dims and tensors are matched by name.
  bool operator==(const Program& other) const;

 private:
  bool is_free(const std::string& name) const;
  // The first free one of stem + number, from `first` on.
  std::string numbered(const std::string& stem, size_t first) const;
  Tensor add(const Tensor& tensor);
  // Adds it after the definitions that it reads and the program does not know yet.
  Tensor take(const Tensor& tensor);
  // What has no name is called after `reader`: "loss.1", "loss.2", …
  void adopt_definitions(const Expr& value, const std::string& reader);
  void adopt_carries(const std::vector<Update>& carries, const std::string& reader);

  std::string name_;
  SourceLocation where_;
  std::vector<Tensor> tensors_;
  std::map<std::string, size_t> by_name_;
  std::set<std::string> reserved_;
  mutable std::map<std::string, size_t> next_number_;  // of a stem, for fresh_name: all are taken
  std::vector<Update> updates_;
  std::vector<Update> carries_;
  std::vector<Output> outputs_;
  std::vector<Pin> pins_;
  Dims declared_;
};

}  // namespace tessera
