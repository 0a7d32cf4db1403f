#include "ir/parse_formula.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/index_range.h"
#include "ir/lex.h"
#include "ir/limits.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Defs put in within one another, counted in the heights of their bodies: bounds the stack.
constexpr int kMaxCallNesting = 2 * kMaxFormulaHeight;
// Putting in a def takes the time of so many nodes, beside those of its body.
constexpr int64_t kNodesOfACall = 6;

std::optional<Reduction> find_reduction(const std::string& name) {
  for (const Reduction op : {Reduction::sum, Reduction::prod, Reduction::max, Reduction::min,
                             Reduction::any, Reduction::all, Reduction::argmax, Reduction::argmin})
    if (name == name_of(op)) return op;
  return std::nullopt;
}

bool is_reduction(const std::string& name) {
  const std::vector<std::string>& all = reduction_names();
  return std::find(all.begin(), all.end(), name) != all.end();
}

// `value`, called `shown`, is indexed along a dim that it does not have.
[[noreturn]] void fail_without(const Dim& dim, const Expr& value, const std::string& shown,
                               const SourceLocation& where) {
  const Read* read = as<Read>(value);
  const bool carried = read != nullptr && read->tensor.role() == Role::carried;
  const Dims known = carried ? subtract(value.dims(), {read->tensor.over()}) : value.dims();
  throw UserError(where, shown + " has no dim `" + dim.name() + "`; it has " + describe(known) +
                             did_you_mean(dim.name(), names(known)) +
                             (carried ? "; what a loop carries can be given it where it begins, as "
                                        "in carry s[" +
                                            dim.name() + "] = 0.0"
                                      : ""));
}

}  // namespace

void FormulaBuilder::check_size(const Expr& value, const Dims& dims, const SourceLocation& where) {
  written_ += static_cast<int64_t>(subexpressions(value).size());
  if (written_ > kMaxFormulaNodes)
    throw UserError(where, "the formulas have grown beyond " + std::to_string(kMaxFormulaNodes) +
                               " operations with their defs put in; give parts of the formula "
                               "names, as in `part = …`");
  check_volume(dims, "the value", where);
}

Tensor FormulaBuilder::define(const NameAt& name, const Expr& value, const Dims& order) {
  check_size(value, order.empty() ? value.dims() : order, name.where);
  return scope_.program().define(name.text, value, name.where, order);
}

Tensor FormulaBuilder::define_in_loop(const NameAt& name, const Expr& value, const Dims& order) {
  check_size(value, order.empty() ? value.dims() : order, name.where);
  return named_later(make_definition(name.text, value, name.where, order), name.text);
}

Tensor FormulaBuilder::unnamed(const Expr& value, const SourceLocation& where) {
  check_size(value, value.dims(), where);
  return Tensor(value, where);
}

Value FormulaBuilder::over(const Expr& expr, const std::vector<Value>& children,
                           const Syntax& syntax) {
  int height = 0;
  for (const Value& child : children) height = std::max(height, child.height);
  if (++height > kMaxFormulaHeight)
    throw UserError(syntax.where, "the formula nests more than " +
                                      std::to_string(kMaxFormulaHeight) +
                                      " operations; give parts of it names, as in `part = …`");
  if (++created_ > kMaxCreatedNodes)
    throw UserError(syntax.where, "the program has grown beyond " +
                                      std::to_string(kMaxCreatedNodes) +
                                      " operations with its defs put in; give values that are "
                                      "used often names, as in `part = …`");
  return {expr, height};
}

Value FormulaBuilder::value(const Syntax& syntax, const Frame* frame) {
  switch (syntax.kind) {
    case Syntax::Kind::number:
      return number(syntax);
    case Syntax::Kind::name:
      return name(syntax, frame);
    case Syntax::Kind::operation:
      return operation(syntax, frame);
    case Syntax::Kind::index:
      return index(syntax, frame);
    case Syntax::Kind::call:
      return call(syntax, frame);
  }
  TESSERA_CHECK(false) << "unknown kind of syntax";
  return name(syntax, frame);
}

Value FormulaBuilder::number(const Syntax& syntax) {
  const std::string& text = syntax.text;
  const char* end = text.data() + text.size();
  if (text.find_first_of(".eE") != std::string::npos) {
    double found = 0;
    if (std::from_chars(text.data(), end, found).ec != std::errc())
      throw UserError(syntax.where, "the number " + text + " is beyond f64; write 0.0 or inf");
    return over(make_literal(found, false, syntax.where), {}, syntax);
  }
  int64_t found = 0;
  if (std::from_chars(text.data(), end, found).ec != std::errc())
    throw UserError(syntax.where,
                    "the number " + text + " is beyond i64; write " + text + ".0 for a float");
  const bool small =
      found >= std::numeric_limits<int32_t>::min() && found <= std::numeric_limits<int32_t>::max();
  return over(small ? make_literal(static_cast<double>(found), true, syntax.where)
                    : make_constant(Scalar::of_int(DType::i64, found), syntax.where),
              {}, syntax);
}

Value FormulaBuilder::name(const Syntax& syntax, const Frame* frame) {
  const std::string& text = syntax.text;
  const auto literal = [&](double found) {
    return over(make_literal(found, false, syntax.where), {}, syntax);
  };
  if (!syntax.quoted) {
    if (text == "inf") return literal(std::numeric_limits<double>::infinity());
    if (text == "nan") return literal(std::numeric_limits<double>::quiet_NaN());
    if (text == "pi") return literal(std::numbers::pi);
    if (text == "true" || text == "false")
      return over(make_constant(Scalar::of_bool(text == "true"), syntax.where), {}, syntax);
  }
  const Value found = scope_.value({text, syntax.where, syntax.quoted}, frame);
  return {over(found.expr, {}, syntax).expr, found.height};
}

Value FormulaBuilder::operation(const Syntax& syntax, const Frame* frame) {
  const std::vector<Value> operands = arguments(syntax, frame);
  std::vector<Expr> exprs;
  for (const Value& operand : operands) exprs.push_back(operand.expr);
  for (const FnInfo& row : all_functions()) {
    if (syntax.text != row.symbol || row.arity != static_cast<int>(operands.size())) continue;
    return over(make_apply(row.fn, std::move(exprs), syntax.where), operands, syntax);
  }
  TESSERA_CHECK(false) << "no operator " << syntax.text;
  return operands[0];
}

std::vector<Value> FormulaBuilder::arguments(const Syntax& syntax, const Frame* frame) {
  std::vector<Value> list;
  for (const SyntaxPtr& child : syntax.children) list.push_back(value(*child, frame));
  return list;
}

Value FormulaBuilder::index(const Syntax& syntax, const Frame* frame) {
  const Syntax& source = *syntax.children[0];
  Value base = value(source, frame);
  if (as<Read>(base.expr) == nullptr && !base.expr.dims().empty())
    base = {make_read(unnamed(base.expr, syntax.where), syntax.where), 2};
  const std::string shown =
      source.kind == Syntax::Kind::name ? "`" + source.text + "`" : std::string("this value");
  std::vector<Value> parts = {base};
  std::map<Dim, Substitute> entries;
  for (const IndexSyntax& entry : syntax.indices) {
    const std::optional<Dim> found = scope_.find_dim(entry.dim.text, frame);
    const Dim dim = found ? *found : scope_.dim(entry.dim, frame);
    if (!contains(base.expr.dims(), dim)) fail_without(dim, base.expr, shown, entry.dim.where);
    parts.push_back(value(*entry.value, frame));
    const Expr expr = as_index(parts.back().expr);
    if (!is_integer(expr.type()))
      throw UserError(expr.where(), "the index for dim `" + entry.dim.text + "` has type " +
                                        name_of(expr.type()) + "; an index is an integer");
    if (!entries.emplace(dim, Substitute{&entry, expr, false}).second)
      throw UserError(entry.dim.where, "the dim `" + entry.dim.text + "` is indexed twice");
  }
  return over(substituted(base.expr, entries, syntax), parts, syntax);
}

Expr FormulaBuilder::substituted(const Expr& base, std::map<Dim, Substitute>& entries,
                                 const Syntax& syntax) {
  const Read& read = *as<Read>(base);
  std::map<Dim, Expr> replaced;
  for (const auto& [dim, entry] : entries) replaced.emplace(dim, entry.value);
  std::optional<Scalar> pad;
  std::vector<Index> indices = read.indices;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i].padded) pad = read.pad;
    const IndexOf* plain = as<IndexOf>(indices[i].value);
    const auto it = plain != nullptr ? entries.find(plain->dim) : entries.end();
    if (it == entries.end()) {
      created_ += static_cast<int64_t>(subexpressions(indices[i].value).size());
      indices[i].value = substitute(indices[i].value, replaced);
      continue;
    }
    Substitute& entry = it->second;
    entry.direct = true;
    indices[i] = {entry.value, indices[i].padded || entry.syntax->pad != nullptr};
    if (!indices[i].padded) check_in_range(entry.value, read.tensor.dims()[i], entry.value.where());
  }
  for (const IndexSyntax& each : syntax.indices) {
    if (each.pad == nullptr) continue;
    const auto it = std::find_if(entries.begin(), entries.end(),
                                 [&](const auto& pair) { return pair.second.syntax == &each; });
    if (!it->second.direct)
      throw UserError(each.pad->where, "a pad needs a dim that is read directly; `" +
                                           each.dim.text +
                                           "` is part of a larger index: pad that one");
    const Scalar wanted = pad_value(*each.pad, base.type());
    if (pad && !(*pad == wanted))
      throw UserError(each.pad->where, "the pads of one read must be equal: " + describe(*pad) +
                                           " and " + describe(wanted));
    pad = wanted;
  }
  return make_read(read.tensor, std::move(indices), pad, syntax.where);
}

Scalar FormulaBuilder::constant(const Syntax& syntax, const std::string& purpose, bool* literal) {
  const Expr found = value(syntax, nullptr).expr;
  const Constant* constant = as<Constant>(found);
  if (constant == nullptr)
    throw UserError(syntax.where, purpose + " is a number, as in 0, -inf or 1 / 3; this is a " +
                                      "formula over " +
                                      (found.dims().empty() ? "tensors" : describe(found.dims())));
  if (literal != nullptr) *literal = constant->weak;
  return constant->value;
}

Scalar FormulaBuilder::pad_value(const Syntax& syntax, DType type) {
  bool literal = false;
  const Scalar found = constant(syntax, "a pad", &literal);
  const bool fits = literal ? type != DType::b8 && holds(type, found.number()) : found.type == type;
  if (!fits)
    throw UserError(syntax.where, "the pad " + describe(found) + " does not fit a tensor of type " +
                                      name_of(type) + ", which holds " + range_of(type));
  return is_float(type) ? Scalar::of_number(type, found.number()) : Scalar::of_int(type, found.i);
}

Value FormulaBuilder::call(const Syntax& syntax, const Frame* frame) {
  DType type;
  const std::string& text = syntax.text;
  if (scope_.is_extent(syntax)) return extent(syntax, frame);
  if (syntax.quoted || !is_reserved(text)) return call_def(syntax, frame);
  const std::string shown = "`" + text + "`";
  if (find_function(text) == nullptr && is_reduction(text) && !syntax.brackets)
    throw UserError(syntax.where,
                    shown + " reduces dims and must name them, as in " + text + "[k](x)");
  const bool draws = text == "normal" || text == "uniform";
  if (draws && !syntax.brackets)
    throw UserError(syntax.where,
                    shown + " draws over dims and must name them, as in " + text + "[a, b](seed)");
  if (text == "grad") return gradient(syntax, frame);
  if (syntax.brackets) {
    if (draws) return random(syntax, frame);
    if (is_reduction(text)) return reduction(syntax, frame);
    throw UserError(syntax.where, shown + " takes no dims; write " + text + "(x)");
  }
  const std::vector<Value> args = arguments(syntax, frame);
  std::vector<Expr> exprs;
  for (const Value& arg : args) exprs.push_back(arg.expr);
  if (parse_dtype(text, type)) {
    if (args.size() != 1)
      throw UserError(syntax.where,
                      shown + " converts one value, not " + std::to_string(args.size()));
    return over(make_cast(type, exprs[0], syntax.where), args, syntax);
  }
  const FnInfo* row = find_function(text);
  if (row == nullptr)
    throw UserError(syntax.where,
                    shown + " is a value and cannot be called; write * for a product");
  if (row->arity != static_cast<int>(args.size()))
    throw UserError(syntax.where, shown + " takes " + std::to_string(row->arity) + " value" +
                                      (row->arity == 1 ? "" : "s") + ", not " +
                                      std::to_string(args.size()));
  return over(make_apply(row->fn, std::move(exprs), syntax.where), args, syntax);
}

Value FormulaBuilder::reduction(const Syntax& syntax, const Frame* frame) {
  const std::string shown = "`" + syntax.text + "`";
  if (syntax.children.size() != 1)
    throw UserError(syntax.where, shown + " reduces one value, not " +
                                      std::to_string(syntax.children.size()) + ", as in " +
                                      syntax.text + "[k](x)");
  const Dims dims = scope_.dims(syntax.dims, frame);
  const Value body = value(*syntax.children[0], frame);
  for (size_t i = 0; i < dims.size(); ++i)
    if (!contains(body.expr.dims(), dims[i]))
      throw UserError(syntax.dims[i].where,
                      shown + " reduces `" + syntax.dims[i].text +
                          "`, which its argument does not have; it has " +
                          describe(body.expr.dims()) +
                          did_you_mean(syntax.dims[i].text, names(body.expr.dims())));
  check_points(body.expr.dims(), shown, syntax.where);
  if (syntax.text == "mean")
    return over(mean(dims, body.expr, syntax.where), {body, {body.expr, body.height + 1}}, syntax);
  if (syntax.text == "cumsum")
    return over(cumsum(dims, body.expr, syntax.where), {body, {body.expr, body.height + 2}},
                syntax);
  return over(make_reduce(*find_reduction(syntax.text), dims, body.expr, syntax.where), {body},
              syntax);
}

Value FormulaBuilder::gradient(const Syntax& syntax, const Frame* frame) {
  const std::vector<Value> args = arguments(syntax, frame);
  if (args.size() != 2)
    throw UserError(syntax.where, "`grad` takes a loss and a tensor, as in grad(loss, w), not " +
                                      std::to_string(args.size()) + " values");
  const std::optional<Tensor> wrt = whole_tensor(args[1].expr);
  if (!wrt)
    throw UserError(syntax.children[1]->where,
                    "the second value of `grad` is the name of a tensor, as in grad(loss, w); to "
                    "derive by a formula, give it a name first");
  const std::optional<Tensor> loss = whole_tensor(args[0].expr);
  Dims along = scope_.dims(syntax.dims, frame);
  for (size_t i = 0; i < along.size(); ++i)
    if (!contains(args[0].expr.dims(), along[i]))
      throw UserError(syntax.dims[i].where,
                      "`grad` derives along `" + syntax.dims[i].text +
                          "`, which its loss does not have; it has " +
                          describe(args[0].expr.dims()) +
                          did_you_mean(syntax.dims[i].text, names(args[0].expr.dims())));
  if (frame != nullptr) along = unite(along, frame->iterated);
  const Expr expr = make_gradient(loss ? *loss : unnamed(args[0].expr, syntax.children[0]->where),
                                  *wrt, along, syntax.where);
  return over(expr, {}, syntax);
}

Value FormulaBuilder::random(const Syntax& syntax, const Frame* frame) {
  if (syntax.children.size() != 1)
    throw UserError(syntax.where, "`" + syntax.text + "` takes one seed, not " +
                                      std::to_string(syntax.children.size()) + " values, as in " +
                                      syntax.text + "[a, b](seed)");
  const Dims dims = scope_.dims(syntax.dims, frame);
  const Value seed = value(*syntax.children[0], frame);
  const Expr drawn = syntax.text == "normal" ? normal(dims, seed.expr, DType::f32, syntax.where)
                                             : uniform(dims, seed.expr, DType::f32, syntax.where);
  const Expr position = make_index(dims.front());
  created_ += static_cast<int64_t>(subexpressions(drawn).size());
  // Ten operations lie between a normal value and its seed, two a dim above the positions.
  const int height = std::max(seed.height + 10, 2 * static_cast<int>(dims.size()) + 10);
  return over(drawn, {{position, height}}, syntax);
}

// Calls of one def that differ in their dims alone are few.
size_t FormulaBuilder::CallHash::operator()(const CallKey& key) const {
  size_t hash = std::hash<const void*>()(key.def);
  for (const ExprNode* arg : key.args) hash = hash * 1'000'003 ^ std::hash<const void*>()(arg);
  return hash;
}

FormulaBuilder::CallKey FormulaBuilder::key_of(const Statement& def, const Frame& inner,
                                               const std::vector<Value>& args) {
  CallKey key{&def, {}, {}, inner.iterated};
  for (const auto& [name, dim] : inner.dims) key.dims.push_back(dim);
  for (const Value& arg : args) key.args.push_back(&arg.expr.node());
  return key;
}

Value FormulaBuilder::extent(const Syntax& syntax, const Frame* frame) {
  const bool named = !syntax.brackets && syntax.children.size() == 1 &&
                     syntax.children[0]->kind == Syntax::Kind::name;
  if (!named)
    throw UserError(syntax.where, "`extent` takes the name of a dim, as in extent(k); dims are " +
                                      listed(scope_.dim_names(frame)));
  const Syntax& name = *syntax.children[0];
  const Dim dim = scope_.dim({name.text, name.where, name.quoted}, frame);
  return over(make_literal(static_cast<double>(dim.extent()), true, syntax.where), {}, syntax);
}

Value FormulaBuilder::call_def(const Syntax& syntax, const Frame* frame) {
  const Statement& def = scope_.def({syntax.text, syntax.where, syntax.quoted});
  const auto takes = [&](const char* what, const std::vector<NameAt>& wanted, size_t found) {
    std::vector<std::string> list;
    for (const NameAt& each : wanted) list.push_back(each.text);
    throw UserError(syntax.where, "`" + syntax.text + "` takes " + std::to_string(wanted.size()) +
                                      " " + what + (wanted.size() == 1 ? "" : "s") +
                                      (list.empty() ? "" : " (" + join(list) + ")") + ", not " +
                                      std::to_string(found));
  };
  if (syntax.brackets && syntax.dims.size() != def.dims.size())
    takes("dim", def.dims, syntax.dims.size());
  if (syntax.children.size() != def.values.size())
    takes("value", def.values, syntax.children.size());
  Frame inner;
  if (frame != nullptr) inner.iterated = frame->iterated;
  for (size_t i = 0; i < def.dims.size(); ++i) {
    const std::string& own = def.dims[i].text;
    const std::optional<Dim> same = scope_.find_dim(own, frame);
    if (!syntax.brackets && !same)
      throw UserError(syntax.where, "`" + syntax.text + "` works over a dim `" + own +
                                        "`, and there is none of that name; say which, as in " +
                                        syntax.text + "[k](x); dims are " +
                                        listed(scope_.dim_names(frame)));
    inner.dims.emplace(own, syntax.brackets ? scope_.dim(syntax.dims[i], frame) : *same);
  }
  const std::vector<Value> args = arguments(syntax, frame);
  for (size_t i = 0; i < args.size(); ++i) inner.values.emplace(def.values[i].text, args[i]);
  const CallKey key = key_of(def, inner, args);
  if (const auto it = called_.find(key); it != called_.end()) return it->second.result;
  calls_ += def.value->height;
  if (calls_ > kMaxCallNesting)
    throw UserError(syntax.where, "defs call one another too deeply, here `" + syntax.text +
                                      "`; give parts of the formula names, as in `part = …`");
  created_ += kNodesOfACall;
  try {
    const Value result = value(*def.value, &inner);
    calls_ -= def.value->height;
    called_.emplace(key, Call{args, result});
    return result;
  } catch (const UserError& error) {
    const std::string text = error.what();
    constexpr size_t kLongest = 4000;  // of a text that grows with every call it passes
    if (text.size() > kLongest) throw;
    throw UserError(text + "\n  in `" + syntax.text + "`, called at " + syntax.where.str());
  }
}

}  // namespace tessera
