#include "ir/program.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "ir/expr_types.h"
#include "ir/structure.h"

namespace tessera {

Program::Program(std::string name, const SourceLocation& where)
    : name_(std::move(name)), where_(where) {}

Tensor Program::add(const Tensor& tensor) {
  if (tensor.node_->name.empty()) tensor.node_->name = fresh_name(tensor.name());
  check_name("tensor", tensor.name(), tensor.where());
  const auto it = by_name_.find(tensor.name());
  if (it != by_name_.end()) {
    const Tensor& known = tensors_[it->second];
    if (known == tensor) return tensor;
    throw UserError(tensor.where(), "`" + tensor.name() + "` is already " + describe(known.role()) +
                                        ", made at " + known.where().str() +
                                        "; choose another name");
  }
  by_name_[tensor.name()] = tensors_.size();
  tensors_.push_back(tensor);
  return tensor;
}

void Program::adopt_definitions(const Expr& value, const std::string& reader) {
  for (const Expr& node : subexpressions(value))
    if (const Looped* looped = as<Looped>(node)) adopt_carries(*looped->carries, reader);
  for (const Tensor& tensor : tensors_read(value)) {
    const auto it = by_name_.find(tensor.name());
    if (it != by_name_.end() && tensors_[it->second] == tensor) continue;
    if (tensor.role() != Role::definition)
      throw UserError(value.where(), "`" + tensor.name() + "` is " + describe(tensor.role()) +
                                         (tensor.role() == Role::carried
                                              ? " and used outside of it; use what loop() returns"
                                              : " of another program; make it with this one"));
    adopt_definitions(tensor.value(), reader);
    if (tensor.name().empty()) tensor.node_->name = numbered(reader + ".", 1);
    add(tensor);
  }
}

// All targets first, because what each holds after an iteration may read any of them.
void Program::adopt_carries(const std::vector<Update>& carries, const std::string& reader) {
  if (carries.empty() || update_of(carries[0].target) != nullptr) return;
  for (const Update& carry : carries) {
    adopt_definitions(carry.target.value(), reader);
    add(carry.target);
  }
  carries_.insert(carries_.end(), carries.begin(), carries.end());
  // Named before any of them is met as what another reads.
  for (const Update& carry : carries)
    if (carry.value.name().empty())
      carry.value.node_->name = fresh_name(carry.target.name() + "_next");
  for (const Update& carry : carries) take(carry.value);
}

void Program::import(const Tensor& tensor) {
  take(tensor);
}

Tensor Program::take(const Tensor& tensor) {
  if (tensor.role() == Role::definition || tensor.role() == Role::carried)
    adopt_definitions(tensor.value(), tensor.name());
  return add(tensor);
}

Tensor Program::carry(const std::string& name, const Dim& over, const Expr& initial,
                      bool descending, const Dims& order, const SourceLocation& where) {
  return take(make_carried(name, over, descending, initial, where, order));
}

Tensor Program::input(const std::string& name, const Dims& dims, DType type,
                      const SourceLocation& where) {
  return add(make_tensor(name, dims, type, Role::input, {}, where));
}

Tensor Program::parameter(const std::string& name, const Dims& dims, const Initializer& initializer,
                          DType type, const SourceLocation& where) {
  return add(make_tensor(name, dims, type, Role::parameter, initializer, where));
}

Tensor Program::state(const std::string& name, const Dims& dims, const Initializer& initializer,
                      DType type, const SourceLocation& where) {
  return add(make_tensor(name, dims, type, Role::state, initializer, where));
}

Tensor Program::define(const std::string& name, const Expr& value, const SourceLocation& where,
                       const Dims& order) {
  return take(make_definition(name, value, where, order));
}

void Program::update(const Tensor& target, const Expr& value, const SourceLocation& where) {
  const bool carried = target.role() == Role::carried;
  if (target.role() != Role::parameter && target.role() != Role::state && !carried)
    throw UserError(where, "`" + target.name() + "` is " + describe(target.role()) +
                               "; only parameters, states and what loops carry are updated");
  if (const Update* earlier = update_of(target))
    throw UserError(where, "`" + target.name() + "` is already updated at " +
                               earlier->value.where().str() + "; " +
                               (carried ? "an iteration" : "a step") + " updates it once");
  if (value.type() != target.type() && !is_literal(value))
    throw UserError(where, "`" + target.name() + "` is " + name_of(target.type()) +
                               " and its update is " + name_of(value.type()) +
                               "; convert it, as in " + name_of(target.type()) + "(…)");
  if (!subtract(value.dims(), target.dims()).empty())
    throw UserError(where, "the update of `" + target.name() + "` has dims " +
                               tessera::describe(value.dims()) + ", the tensor has " +
                               tessera::describe(target.dims()) + "; reduce the others");
  adopt_definitions(value, target.name() + "_next");
  const std::optional<Tensor> whole = whole_tensor(value);
  const bool fits = whole && whole->role() == Role::definition && whole->dims() == target.dims();
  const Expr adopted = is_literal(value) ? adopt_literal(value, target.type(), "update") : value;
  const Tensor stored = fits ? *whole
                             : take(make_definition(fresh_name(target.name() + "_next"), adopted,
                                                    where, target.dims()));
  (carried ? carries_ : updates_).push_back({target, stored});
}

void Program::output(const std::string& name, const Expr& value, const Dims& order,
                     const SourceLocation& where) {
  for (const Output& earlier : outputs_)
    if (earlier.name == name) throw UserError(where, "there is already an output `" + name + "`");
  if (!order.empty() && !same_set(order, value.dims()))
    throw UserError(where, "output `" + name + "` lists " + tessera::describe(order) +
                               ", its value has " + tessera::describe(value.dims()));
  adopt_definitions(value, name);
  // `output loss` of the tensor called loss refers to it; anything else is a definition.
  if (const std::optional<Tensor> whole = whole_tensor(value); whole && whole->name() == name) {
    outputs_.push_back({name, *whole, order.empty() ? value.dims() : order});
    return;
  }
  const Tensor stored = take(make_definition(name, value, where, order));
  outputs_.push_back({name, stored, order.empty() ? value.dims() : order});
}

void Program::minimize(const Expr& loss, const Optimizer& optimizer, const SourceLocation& where) {
  const Read* read = as<Read>(loss);
  const Tensor target = read != nullptr ? read->tensor : Tensor(loss, where);
  adopt_definitions(make_read(target, where), "loss");
  const std::set<Tensor> reached = ancestors({target});
  std::vector<ParameterGradient> gradients;
  for (const Tensor& parameter : parameters())
    if (reached.count(parameter) != 0 && is_float(parameter.type()))
      gradients.push_back({parameter, make_gradient(target, parameter, {}, where)});
  if (gradients.empty())
    throw UserError(where, "the loss depends on no parameter of `" + name_ + "`; it has " +
                               std::to_string(parameters().size()) + " parameters");
  optimizer(*this, gradients);
}

void Program::pin(const std::string& tensor, const std::string& dim, const std::string& axis,
                  const SourceLocation& where) {
  const Tensor target = get(tensor, where);
  const std::vector<std::string> known = names(target.dims());
  if (std::find(known.begin(), known.end(), dim) == known.end())
    throw UserError(where, "pin: `" + tensor + "` has no dim `" + dim + "`; it has " +
                               tessera::describe(target.dims()) + did_you_mean(dim, known));
  pins_.push_back({tensor, dim, axis, where});
}

std::vector<Tensor> Program::with_role(Role role) const {
  std::vector<Tensor> found;
  for (const Tensor& tensor : tensors_)
    if (tensor.role() == role) found.push_back(tensor);
  return found;
}

Dims Program::dims() const {
  std::set<Dim> all(declared_.begin(), declared_.end());
  const auto add = [&](const Dims& dims) { all.insert(dims.begin(), dims.end()); };
  for (const Tensor& tensor : tensors_) {
    add(tensor.dims());
    if (tensor.role() != Role::definition && tensor.role() != Role::carried) continue;
    for (const Expr& node : subexpressions(tensor.value())) {
      add(node.dims());
      if (const Reduce* reduce = as<Reduce>(node)) add(reduce->dims);
    }
  }
  return {all.begin(), all.end()};
}

std::optional<Tensor> Program::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return std::nullopt;
  return tensors_[it->second];
}

Tensor Program::get(const std::string& name, const SourceLocation& where) const {
  if (const std::optional<Tensor> tensor = find(name)) return *tensor;
  std::vector<std::string> known;
  for (const Tensor& tensor : tensors_) known.push_back(tensor.name());
  throw UserError(
      where, "program `" + name_ + "` has no tensor `" + name + "`" + did_you_mean(name, known));
}

const Update* Program::update_of(const Tensor& target) const {
  for (const Update& update : target.role() == Role::carried ? carries_ : updates_)
    if (update.target == target) return &update;
  return nullptr;
}

Expr Program::formula_of(const Tensor& tensor) const {
  const Update* carry = tensor.role() == Role::carried ? update_of(tensor) : nullptr;
  if (carry == nullptr) return tensor.value();
  const Dim& over = tensor.over();
  const SourceLocation& where = tensor.where();
  const auto whole = [&](int64_t value) {
    return make_constant(Scalar::of_int(DType::i32, value), where);
  };
  const Expr at = make_index(over, where);
  const Expr first = whole(tensor.descending() ? over.extent() - 1 : 0);
  const Expr before = make_apply(tensor.descending() ? Fn::add : Fn::sub, {at, whole(1)}, where);
  std::vector<Index> indices;
  for (const Dim& dim : carry->value.dims())
    indices.push_back(dim == over ? Index{before, true} : Index{make_index(dim, where), false});
  const Scalar pad =
      tensor.type() == DType::b8 ? Scalar::of_bool(false) : Scalar::of_number(tensor.type(), 0);
  return make_apply(Fn::where,
                    {make_apply(Fn::eq, {at, first}, where), tensor.value(),
                     make_read(carry->value, std::move(indices), pad, where)},
                    where);
}

std::vector<Tensor> Program::sources_of(const Tensor& tensor) const {
  if (tensor.role() != Role::definition && tensor.role() != Role::carried) return {};
  return tensors_read(formula_of(tensor));
}

std::set<Tensor> Program::ancestors(const std::vector<Tensor>& roots) const {
  std::set<Tensor> found;
  std::vector<Tensor> open = roots;
  while (!open.empty()) {
    const Tensor tensor = open.back();
    open.pop_back();
    if (!found.insert(tensor).second) continue;
    for (const Tensor& source : sources_of(tensor)) open.push_back(source);
  }
  return found;
}

std::string Program::fresh_name(const std::string& stem) const {
  return is_free(stem) ? stem : numbered(stem + "_", 2);
}

std::string Program::numbered(const std::string& stem, size_t first) const {
  size_t& next = next_number_.try_emplace(stem, first).first->second;
  std::string name;
  while (!is_free(name = stem + std::to_string(next))) ++next;
  return name;
}

bool Program::is_free(const std::string& name) const {
  return by_name_.count(name) == 0 && reserved_.count(name) == 0;
}

void Program::declare(const Dim& dim) {
  if (!contains(declared_, dim)) declared_.push_back(dim);
}

}  // namespace tessera
