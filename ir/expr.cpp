#include "ir/expr.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "ir/expr_types.h"
#include "ir/index_range.h"
#include "ir/split_formula.h"
#include "ir/structure.h"
#include "ir/widen.h"

namespace tessera {
namespace {

std::atomic<int64_t> next_serial{0};

int height_below(const ExprNode& node) {
  int height = 0;
  const auto add = [&](const Expr& child) { height = std::max(height, child.node().height); };
  if (const Read* read = std::get_if<Read>(&node.kind))
    for (const Index& index : read->indices) add(index.value);
  if (const Apply* apply = std::get_if<Apply>(&node.kind))
    for (const Expr& arg : apply->args) add(arg);
  if (const Reduce* reduce = std::get_if<Reduce>(&node.kind)) add(reduce->body);
  if (const Looped* looped = std::get_if<Looped>(&node.kind)) add(looped->value);
  return height;
}

Dims dims_of(const std::vector<Expr>& exprs) {
  Dims dims;
  for (const Expr& expr : exprs) dims = unite(dims, expr.dims());
  return dims;
}

}  // namespace

Expr make_node(ExprNode node) {
  node.height = 1 + height_below(node);
  if (node.height > kMaxNodeHeight)
    throw UserError(node.where, "the formula nests more than " + std::to_string(kMaxNodeHeight) +
                                    " operations; give parts of it names, as in "
                                    "`part = program.define(\"part\", …)`");
  node.index = find_index_facts(node);
  return Expr(std::make_shared<const ExprNode>(std::move(node)));
}

Expr::Expr(int value) : Expr(make_literal(value, true)) {}
Expr::Expr(double value) : Expr(make_literal(value, false)) {}
Expr::Expr(const Tensor& tensor) : Expr(make_read(tensor, tensor.where())) {}

DType Expr::type() const {
  return node_->type;
}

const Dims& Expr::dims() const {
  return node_->dims;
}

const SourceLocation& Expr::where() const {
  return node_->where;
}

Expr Expr::at(const Dim& dim, const Expr& any_index, std::optional<double> pad,
              const SourceLocation& where) const {
  const Expr index = as_index(any_index);
  if (!contains(dims(), dim))
    throw UserError(where, "this expression has no dim `" + dim.name() + "`; it has " +
                               describe(dims()) + did_you_mean(dim.name(), names(dims())));
  const Read* read = as<Read>(*this);
  if (read == nullptr) return make_read(Tensor(*this, where), where).at(dim, index, pad, where);
  std::vector<Index> indices = read->indices;
  bool direct = false;
  for (Index& slot : indices) {
    const IndexOf* plain = as<IndexOf>(slot.value);
    if (plain != nullptr && plain->dim == dim) {
      slot = {index, pad.has_value()};
      direct = true;
    } else {
      slot.value = substitute(slot.value, {{dim, index}});
    }
  }
  if (pad && !direct)
    throw UserError(where, "a pad needs a dim that is read directly; `" + dim.name() +
                               "` is part of a larger index: pad that one");
  std::optional<Scalar> value = read->pad;
  if (pad) {
    const Scalar wanted = Scalar::of_number(type(), *pad);
    if (value && !(*value == wanted))
      throw UserError(where, "the pads of one read must be equal: " + describe(*value) + " and " +
                                 describe(wanted));
    value = wanted;
  }
  return make_read(read->tensor, std::move(indices), value, where);
}

Tensor::Tensor(const Expr& value, const SourceLocation& where)
    : node_(make_definition("", value, where).node_) {}

const std::string& Tensor::name() const {
  return node_->name.empty() ? node_->stem : node_->name;
}
const Dims& Tensor::dims() const {
  return node_->dims;
}
DType Tensor::type() const {
  return node_->type;
}
Role Tensor::role() const {
  return node_->role;
}
const SourceLocation& Tensor::where() const {
  return node_->where;
}
const Initializer& Tensor::initializer() const {
  return node_->initializer;
}
const Expr& Tensor::value() const {
  TESSERA_CHECK(node_->value.has_value()) << "`" << name() << "` is not a definition";
  return *node_->value;
}
bool Tensor::checkpoint() const {
  return node_->checkpoint;
}
const Dim& Tensor::over() const {
  TESSERA_CHECK(node_->over.has_value()) << "`" << name() << "` is not carried";
  return *node_->over;
}
bool Tensor::descending() const {
  return node_->descending;
}

std::vector<int64_t> Tensor::strides() const {
  if (!node_->strides.empty()) return node_->strides;
  std::vector<int64_t> strides(dims().size(), 1);
  for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * dims()[i].extent();
  return strides;
}

Expr Tensor::at(const Dim& dim, const Expr& index, std::optional<double> pad,
                const SourceLocation& where) const {
  return make_read(*this, where).at(dim, index, pad, where);
}

bool Tensor::operator<(const Tensor& other) const {
  return node_->serial < other.node_->serial;
}

Expr make_constant(const Scalar& value, const SourceLocation& where) {
  return make_node({Constant{value, false}, value.type, {}, where});
}

Expr make_literal(double value, bool integer, const SourceLocation& where) {
  const Scalar scalar = integer ? Scalar::of_int(DType::i32, static_cast<int64_t>(value))
                                : Scalar::of_float(DType::f64, value);
  // A literal keeps all its digits until it meets a type; alone it counts as f32.
  return make_node({Constant{scalar, true}, integer ? DType::i32 : DType::f32, {}, where});
}

Expr make_index(const Dim& dim, const SourceLocation& where) {
  return make_node({IndexOf{dim}, DType::i32, {dim}, where});
}

Expr make_read(const Tensor& tensor, const SourceLocation& where) {
  std::vector<Index> indices;
  for (const Dim& dim : tensor.dims()) indices.push_back({make_index(dim, where), false});
  return make_node({Read{tensor, std::move(indices), std::nullopt}, tensor.type(),
                    sorted(tensor.dims()), where, tensor.id()->adopts_type});
}

Expr make_read(const Tensor& tensor, std::vector<Index> indices, std::optional<Scalar> pad,
               const SourceLocation& where) {
  TESSERA_CHECK(indices.size() == tensor.dims().size());
  Dims dims;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (is_literal(indices[i].value))
      indices[i].value = adopt_literal(indices[i].value, DType::i32, "[]");
    indices[i].value = as_index(indices[i].value);
    const Expr& index = indices[i].value;
    if (!is_integer(index.type()))
      throw UserError(where, "the index for dim `" + tensor.dims()[i].name() + "` has type " +
                                 name_of(index.type()) + "; an index is an integer");
    if (!indices[i].padded) check_in_range(index, tensor.dims()[i], where);
    dims = unite(dims, index.dims());
  }
  return make_node({Read{tensor, std::move(indices), pad}, tensor.type(), std::move(dims), where,
                    tensor.id()->adopts_type});
}

Expr as_index(const Expr& index) {
  return is_small_integer(index.type()) ? make_cast(DType::i32, index, index.where()) : index;
}

Expr make_apply(Fn fn, std::vector<Expr> args, const SourceLocation& where) {
  const FnInfo& row = info(fn);
  if (static_cast<int>(args.size()) != row.arity)
    throw UserError(where, "`" + std::string(row.name) + "` takes " + std::to_string(row.arity) +
                               " arguments, not " + std::to_string(args.size()));
  if (fn == Fn::checkpoint) return make_checkpoint(args[0], where);
  if (std::all_of(args.begin(), args.end(), is_literal) &&
      (row.rule == TypeRule::number || row.rule == TypeRule::floating))
    return fold_literals(row, args, where);
  const bool adopts = result_adopts_type(row.rule, args);
  const DType type = result_type(fn, args, where);
  Dims dims = dims_of(args);
  return make_node({Apply{fn, std::move(args)}, type, std::move(dims), where, adopts});
}

Expr make_cast(DType type, const Expr& arg, const SourceLocation& where) {
  if (const Constant* constant = as<Constant>(arg)) {
    const Scalar args[1] = {constant->value};
    return make_constant(evaluate(Fn::cast, args, type), where);
  }
  if (arg.type() == type) return arg;
  return make_node({Apply{Fn::cast, {arg}}, type, arg.dims(), where});
}

Expr make_checkpoint(const Expr& arg, const SourceLocation& where) {
  const Expr typed = is_literal(arg) ? adopt_literal(arg, arg.type(), "checkpoint") : arg;
  return make_node({Apply{Fn::checkpoint, {typed}}, typed.type(), typed.dims(), where,
                    typed.node().adopts_type});
}

Expr make_reduce(Reduction op, const Dims& dims, const Expr& body, const SourceLocation& where) {
  const std::string name = name_of(op);
  if (dims.empty()) throw UserError(where, "`" + name + "` names no dim to reduce");
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!contains(body.dims(), dims[i]))
      throw UserError(where, "`" + name + "` reduces `" + dims[i].name() +
                                 "`, which its argument does not have; it has " +
                                 describe(body.dims()) +
                                 did_you_mean(dims[i].name(), names(body.dims())));
    for (size_t j = 0; j < i; ++j)
      if (dims[i] == dims[j])
        throw UserError(where, "`" + name + "` names the dim `" + dims[i].name() + "` twice");
  }
  const bool logical = op == Reduction::any || op == Reduction::all;
  if (logical != (body.type() == DType::b8))
    throw UserError(where, "`" + name + "` takes " + (logical ? "bool" : "numbers") + ", not " +
                               name_of(body.type()));
  const bool position = op == Reduction::argmax || op == Reduction::argmin;
  if (position && dims[0].extent() == 0)
    throw UserError(where, "`" + name + "` finds a position along `" + dims[0].name() +
                               "`, which has extent 0 and so no position (it is made at " +
                               dims[0].where().str() + "); give it 1 or more");
  if (position && dims.size() != 1)
    throw UserError(
        where, "`" + name + "` finds a position along one dim, not " + std::to_string(dims.size()));
  if ((op == Reduction::sum || op == Reduction::prod) && is_small_integer(body.type()))
    return make_reduce(op, dims, make_cast(DType::i32, body, where), where);
  if ((op == Reduction::sum || op == Reduction::prod) && is_half(body.type()))
    return make_cast(body.type(), make_reduce(op, dims, widened(body), where), where);
  const DType type = position ? DType::i32 : body.type();
  return make_node({Reduce{op, sorted(dims), body}, type, subtract(body.dims(), dims), where,
                    !position && body.node().adopts_type});
}

Expr make_gradient(const Tensor& loss, const Tensor& wrt, const Dims& along,
                   const SourceLocation& where) {
  const std::string shown = loss.name().empty() ? "this one" : "`" + loss.name() + "`";
  const Dims more = subtract(loss.dims(), along);
  if (!more.empty()) {
    const std::string list = join(names(more), ", ");
    const std::string reduced = loss.name().empty() ? "x" : loss.name();
    throw UserError(where, "grad takes a loss without dims; " + shown + " has " + describe(more) +
                               ": reduce it first, as in sum[" + list + "](" + reduced +
                               "), or derive at each index on its own, as in grad[" + list +
                               "](…)");
  }
  if (!is_float(loss.type()))
    throw UserError(where, "grad takes a loss that is a float (f32, f64, bf16 or f16), and " +
                               shown + " is " + name_of(loss.type()) +
                               "; convert it, as in f32(x)");
  if (!is_float(wrt.type()))
    throw UserError(where, "`" + wrt.name() + "` is " + name_of(wrt.type()) +
                               ", and only floats have gradients; declare it as f32, f64, bf16 or "
                               "f16 (it is made at " +
                               wrt.where().str() + ")");
  return make_node({Gradient{loss, wrt}, wrt.type(), unite(wrt.dims(), loss.dims()), where});
}

Expr make_looped(const Expr& value, std::shared_ptr<const std::vector<Update>> carries) {
  return make_node({Looped{value, std::move(carries)}, value.type(), value.dims(), value.where(),
                    value.node().adopts_type});
}

Tensor make_definition(std::string name, const Expr& formula, const SourceLocation& where,
                       const Dims& order) {
  return make_undivided(name, in_parts(formula, name), where, order);
}

Tensor make_undivided(std::string name, const Expr& formula, const SourceLocation& where,
                      const Dims& order) {
  auto node = std::make_shared<TensorNode>();
  const Apply* apply = as<Apply>(formula);
  node->checkpoint = apply != nullptr && apply->fn == Fn::checkpoint;
  const Expr value = node->checkpoint ? apply->args[0] : formula;
  node->value = is_literal(value) ? adopt_literal(value, value.type(), "=") : value;
  node->name = std::move(name);
  node->dims = order.empty() ? value.dims() : order;
  if (!subtract(value.dims(), node->dims).empty())
    throw UserError(where, "`" + node->name + "` is declared over " + describe(node->dims) +
                               ", its value has " + describe(value.dims()) +
                               "; name every dim of the value");
  node->type = value.type();
  node->adopts_type = value.node().adopts_type;
  node->role = Role::definition;
  node->where = where;
  node->serial = next_serial++;
  return Tensor(std::move(node));
}

Tensor named_later(const Tensor& tensor, const std::string& stem) {
  auto node = std::make_shared<TensorNode>(*tensor.id());
  node->name.clear();
  node->stem = stem;
  return Tensor(std::move(node));
}

Tensor make_tensor(std::string name, const Dims& dims, DType type, Role role,
                   const Initializer& initializer, const SourceLocation& where) {
  for (size_t i = 0; i < dims.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (dims[i] == dims[j])
        throw UserError(where, "`" + name + "` names the dim `" + dims[i].name() + "` twice");
  check_initializer(initializer, type, name, where);
  auto node = std::make_shared<TensorNode>();
  node->name = std::move(name);
  node->dims = dims;
  node->type = type;
  node->role = role;
  node->where = where;
  node->initializer = initializer;
  node->serial = next_serial++;
  return Tensor(std::move(node));
}

Tensor make_view(std::string name, const Dims& dims, DType type, std::vector<int64_t> strides) {
  TESSERA_CHECK(strides.size() == dims.size()) << name;
  auto node =
      std::make_shared<TensorNode>(*make_tensor(std::move(name), dims, type, Role::input).id());
  node->strides = std::move(strides);
  return Tensor(std::move(node));
}

const char* describe(Role role) {
  switch (role) {
    case Role::input:
      return "an input";
    case Role::parameter:
      return "a parameter";
    case Role::state:
      return "a state";
    case Role::definition:
      return "a definition";
    case Role::carried:
      return "carried by a loop";
  }
  return "";
}

Tensor make_carried(std::string name, const Dim& over, bool descending, const Expr& initial,
                    const SourceLocation& where, const Dims& order) {
  if (contains(initial.dims(), over))
    throw UserError(where, "`" + name + "` is carried over `" + over.name() +
                               "`, so its first value must not depend on that dim; it has " +
                               describe(initial.dims()));
  Dims dims = order.empty() ? unite(initial.dims(), {over}) : order;
  if (!contains(dims, over)) dims.push_back(over);
  const Tensor shape = make_definition(std::move(name), initial, where, dims);
  auto node = std::make_shared<TensorNode>(*shape.id());
  node->role = Role::carried;
  if (node->checkpoint) node->value = initial;
  node->checkpoint = false;
  node->over = over;
  node->descending = descending;
  return Tensor(std::move(node));
}

const char* name_of(Reduction op) {
  switch (op) {
    case Reduction::argmax:
      return "argmax";
    case Reduction::argmin:
      return "argmin";
    default:
      return name_of(reduce_op(op));
  }
}

ReduceOp reduce_op(Reduction op) {
  TESSERA_CHECK(op != Reduction::argmax && op != Reduction::argmin) << "normalize rewrites it";
  return static_cast<ReduceOp>(op);
}

}  // namespace tessera
