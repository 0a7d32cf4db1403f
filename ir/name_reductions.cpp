#include "ir/name_reductions.h"

#include <set>
#include <unordered_map>
#include <vector>

#include "ir/each_child.h"
#include "ir/known_definitions.h"
#include "ir/prune.h"
#include "ir/rebuilt_program.h"
#include "ir/shared_parts.h"
#include "ir/simplify.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool is_checkpoint(const Expr& node) {
  const Apply* apply = as<Apply>(node);
  return apply != nullptr && apply->fn == Fn::checkpoint;
}

bool is_gradient(const Expr& node) {
  return as<Gradient>(node) != nullptr;
}

// Positions are found by two reductions, which come later.
bool may_be_named(const Reduce& reduce) {
  return reduce.op != Reduction::argmax && reduce.op != Reduction::argmin;
}

// A sum of a sum that nothing else in the formula reads becomes one, and so do other reductions.
class Collapser {
 public:
  explicit Collapser(const Expr& formula) : formula_(SharedNodes(true).share(formula)) {
    for (const Expr& node : subexpressions(formula_))
      each_child(node, [&](const Expr& child) { ++uses_[&child.node()]; });
  }

  Expr run() { return collapsed(formula_); }

 private:
  Expr collapsed(const Expr& expr) {
    if (const auto it = done_.find(&expr.node()); it != done_.end()) return it->second;
    Expr result = expr;
    if (const Reduce* outer = as<Reduce>(expr); outer != nullptr && may_be_named(*outer)) {
      Dims dims = outer->dims;
      Expr body = outer->body;
      for (const Reduce* inner = as<Reduce>(body);
           inner != nullptr && inner->op == outer->op && uses_[&body.node()] == 1;
           inner = as<Reduce>(body)) {
        dims = unite(dims, inner->dims);
        body = inner->body;
      }
      result = make_reduce(outer->op, dims, collapsed(body), expr.where());
    } else {
      std::vector<Expr> after;
      bool changed = false;
      each_child(expr, [&](const Expr& child) {
        after.push_back(collapsed(child));
        changed = changed || !after.back().is(child);
      });
      if (changed) result = with_children(expr, after);
    }
    done_.emplace(&expr.node(), result);
    return result;
  }

  const Expr formula_;
  std::unordered_map<const ExprNode*, int> uses_;
  std::unordered_map<const ExprNode*, Expr> done_;
};

Expr with_reductions_collapsed(const Expr& formula) {
  const auto nested = [](const Expr& node) {
    const Reduce* outer = as<Reduce>(node);
    return outer != nullptr && as<Reduce>(outer->body) != nullptr;
  };
  return any_node(formula, nested) ? Collapser(formula).run() : formula;
}

class Namer {
 public:
  explicit Namer(const Program& source)
      : source_(source), rebuilt_(source), result_(rebuilt_.program()) {
    for (const Tensor& tensor : source.tensors()) {
      result_.reserve(tensor.name());
      if (tensor.role() != Role::definition && tensor.role() != Role::carried) continue;
      for (const Expr& node : subexpressions(tensor.value()))
        if (const Gradient* gradient = as<Gradient>(node)) {
          own_.insert(gradient->loss);
          own_.insert(gradient->wrt);
        }
    }
    for (const Output& output : source.outputs()) own_.insert(output.value);
    for (const Update& update : source.updates()) own_.insert(update.value);
    for (const Update& carry : source.carries()) own_.insert(carry.value);
    for (const Pin& pin : source.pins())
      if (const std::optional<Tensor> tensor = source.find(pin.tensor)) own_.insert(*tensor);
  }

  Program run() {
    for (const Tensor& tensor : in_order(source_)) take(tensor);
    return rebuilt_.finish();
  }

 private:
  void take(const Tensor& tensor) {
    if (tensor.role() == Role::carried) {
      const Expr value = named(rebuilt_.reading(tensor.value()), tensor.name(), false);
      rebuilt_.take(tensor, result_.carry(tensor.name(), tensor.over(), value, tensor.descending(),
                                          tensor.dims(), tensor.where()));
    } else if (tensor.role() == Role::definition) {
      rebuilt_.take(tensor, definition(tensor));
    } else {
      result_.import(tensor);
    }
  }

  // What stands for a definition of the source.
  Tensor definition(const Tensor& tensor) {
    Expr value = rebuilt_.reading(tensor.value());
    if (tensor.checkpoint())
      return result_.define(tensor.name(), make_checkpoint(value, value.where()), tensor.where(),
                            tensor.dims());
    value = named(value, tensor.name(), true);
    const bool own = own_.count(tensor) != 0;
    const std::optional<Tensor> other = whole_tensor(value);
    if (!own && other && same_set(other->dims(), tensor.dims())) return *other;
    if (as<Reduce>(value) == nullptr || !same_set(value.dims(), tensor.dims()))
      return result_.define(tensor.name(), value, tensor.where(), tensor.dims());
    const std::optional<Tensor> known = known_definition(value, tensor.dims());
    if (known && !own) return *known;
    const Tensor result = result_.define(tensor.name(), value, tensor.where(), tensor.dims());
    if (!known) remember(value, result);
    return result;
  }

  // `value` with the reductions in it named; it may be one itself where it is a `definition`.
  Expr named(const Expr& value, const std::string& stem, bool definition) {
    if (any_node(value, is_checkpoint)) return value;
    return with_reductions_named(
        name_shared_parts(with_reductions_collapsed(simplify(value)),
                          [&](const Expr& part) { return define_part(part, stem); }),
        stem, definition);
  }

  Expr with_reductions_named(const Expr& simple, const std::string& stem, bool definition) {
    const Reduce* reduce = as<Reduce>(simple);
    if (reduce == nullptr || !definition) return with_parts(simple, stem);
    const Expr body = with_parts(reduce->body, stem);
    return body.is(reduce->body) ? simple
                                 : make_reduce(reduce->op, reduce->dims, body, simple.where());
  }

  // Those in the body of another come first, so that each is a nest.
  Expr with_parts(const Expr& value, const std::string& stem) {
    return transform(value, [&](const Expr& node) -> Expr {
      const Reduce* reduce = as<Reduce>(node);
      return reduce == nullptr || !may_be_named(*reduce)
                 ? node
                 : make_read(define_part(node, stem), node.where());
    });
  }

  Tensor define_part(const Expr& formula, const std::string& stem) {
    const Expr value = with_reductions_named(formula, stem, true);
    if (const std::optional<Tensor> known = known_definition(value, value.dims())) return *known;
    const Tensor result = result_.define(result_.fresh_name(stem + "_1"), value, value.where());
    remember(value, result);
    return result;
  }

  // What gradients will be, nobody knows yet.
  std::optional<Tensor> known_definition(const Expr& value, const Dims& order) {
    if (any_node(value, is_gradient)) return std::nullopt;
    return known_.find(known_.form_of(value), order);
  }

  void remember(const Expr& value, const Tensor& tensor) {
    if (!any_node(value, is_gradient)) known_.add(known_.form_of(value), tensor);
  }

  const Program& source_;
  RebuiltProgram rebuilt_;
  Program& result_;
  std::set<Tensor> own_;    // what is asked for by its name
  KnownDefinitions known_;  // reductions, and parts of formulas
};

}  // namespace

Program name_reductions(const Program& program) {
  return Namer(program).run();
}

}  // namespace tessera
