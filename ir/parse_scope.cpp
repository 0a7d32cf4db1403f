#include "ir/parse_scope.h"

#include <algorithm>

#include "base/error.h"
#include "ir/lex.h"

namespace tessera {
namespace {

bool has(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool has(const std::vector<NameAt>& list, const std::string& name) {
  return std::any_of(list.begin(), list.end(), [&](const NameAt& x) { return x.text == name; });
}

// Words that stand for a number.
bool is_number_word(const std::string& text) {
  return text == "inf" || text == "nan" || text == "pi" || text == "true" || text == "false";
}

}  // namespace

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 12;
  if (names.empty()) return "none";
  if (names.size() <= kShown) return join(names);
  return join({names.begin(), names.begin() + kShown}) + " and " +
         std::to_string(names.size() - kShown) + " more";
}

Scope::Scope(const ProgramSyntax& syntax) : program_(syntax.name.text, syntax.name.where) {
  for (const Statement& statement : syntax.statements) {
    const Statement::Kind kind = statement.kind;
    if (kind == Statement::Kind::loop) {
      for (const Statement& carried : statement.loop->carried)
        made_at_.emplace(carried.name.text, carried.name.where);
      for (const NameAt& name : statement.loop->collected) made_at_.emplace(name.text, name.where);
    } else if (kind != Statement::Kind::update && kind != Statement::Kind::output &&
               kind != Statement::Kind::pin) {
      made_at_.emplace(statement.name.text, statement.name.where);
    }
  }
  for (const auto& [name, where] : made_at_) program_.reserve(name);
}

void Scope::add_dim(const Dim& dim) {
  dims_.emplace(dim.name(), dim);
  program_.declare(dim);
}

void Scope::add_def(const Statement& def) {
  defs_.emplace(def.name.text, def);
}

void Scope::check_free(const NameAt& name) const {
  const auto taken = [&](const std::string& kind, const SourceLocation& where) {
    throw UserError(name.where, "`" + name.text + "` is already " + kind + ", made at " +
                                    where.str() + "; choose another name");
  };
  if (const auto it = dims_.find(name.text); it != dims_.end()) taken("a dim", it->second.where());
  if (const auto it = defs_.find(name.text); it != defs_.end())
    taken("a def", it->second.name.where);
  if (const std::optional<Tensor> known = program_.find(name.text))
    taken(describe(known->role()), known->where());
}

std::optional<Tensor> Scope::find_tensor(const std::string& name) const {
  return shown_.count(name) != 0 ? program_.find(name) : std::nullopt;
}

void Scope::check_made(const NameAt& name) const {
  const auto it = made_at_.find(name.text);
  if (it == made_at_.end()) {
    if (const std::optional<Tensor> hidden = program_.find(name.text))
      throw UserError(name.where, "`" + name.text + "` is made at " + hidden->where().str() +
                                      ", in a loop or for an update, and is unknown outside; a " +
                                      "loop keeps values by `collect`");
    return;
  }
  if (it->second.line <= name.where.line)
    throw UserError(name.where, "`" + name.text +
                                    "` is not made yet where it is used; a line may "
                                    "use what stands before it");
  throw UserError(name.where, "`" + name.text + "` is defined later, at line " +
                                  std::to_string(it->second.line) +
                                  "; a line may use what stands above it: move one of the two");
}

std::vector<std::string> Scope::dim_names(const Frame* frame) const {
  std::vector<std::string> list;
  if (frame != nullptr)
    for (const auto& [name, dim] : frame->dims) list.push_back(name);
  std::vector<Dim> order;
  for (const auto& [name, dim] : dims_) order.push_back(dim);
  for (const Dim& dim : sorted(order))
    if (!has(list, dim.name())) list.push_back(dim.name());
  return list;
}

std::vector<std::string> Scope::tensor_names() const {
  std::vector<std::string> list;
  for (const Tensor& tensor : program_.tensors())
    if (shown_.count(tensor.name()) != 0) list.push_back(tensor.name());
  return list;
}

std::optional<Dim> Scope::find_dim(const std::string& name, const Frame* frame) const {
  if (frame != nullptr) {
    if (const auto it = frame->dims.find(name); it != frame->dims.end()) return it->second;
    if (frame->values.count(name) != 0) return std::nullopt;
  }
  if (const auto it = dims_.find(name); it != dims_.end()) return it->second;
  return std::nullopt;
}

Dim Scope::dim(const NameAt& name, const Frame* frame) const {
  if (const std::optional<Dim> found = find_dim(name.text, frame)) return *found;
  const std::vector<std::string> known = dim_names(frame);
  const bool value = frame != nullptr && frame->values.count(name.text) != 0;
  if (value || find_tensor(name.text) || defs_.count(name.text) != 0)
    throw UserError(name.where, "`" + name.text + "` is " +
                                    (value                    ? "a value"
                                     : find_tensor(name.text) ? "a tensor"
                                                              : "a def") +
                                    " where a dim was expected; dims are " + listed(known));
  check_made(name);
  throw UserError(name.where, "there is no dim `" + name.text + "`; dims are " + listed(known) +
                                  did_you_mean(name.text, known));
}

Dims Scope::dims(const std::vector<NameAt>& list, const Frame* frame) const {
  Dims found;
  for (const NameAt& name : list) {
    const Dim next = dim(name, frame);
    if (contains(found, next))
      throw UserError(name.where, "the dim `" + name.text + "` stands twice in this list");
    found.push_back(next);
  }
  return found;
}

Value Scope::value(const NameAt& name, const Frame* frame) const {
  if (frame != nullptr) {
    const auto it = frame->values.find(name.text);
    if (it != frame->values.end()) return it->second;
  }
  if (const std::optional<Dim> found = find_dim(name.text, frame))
    return {make_index(*found, name.where), 1};
  if (const std::optional<Tensor> found = find_tensor(name.text))
    return {make_read(*found, name.where), 2};
  if (defs_.count(name.text) != 0)
    throw UserError(name.where,
                    "`" + name.text + "` is a def; call it, as in " + name.text + "(x)");
  if (!name.quoted && is_reserved(name.text))
    throw UserError(name.where, "`" + name.text + "` is a function; call it, as in " + name.text +
                                    (has(reduction_names(), name.text)                 ? "[k](x)"
                                     : name.text == "normal" || name.text == "uniform" ? "[k](seed)"
                                                                                       : "(x)"));
  check_made(name);
  std::vector<std::string> known = tensor_names();
  if (frame != nullptr)
    for (const auto& [argument, unused] : frame->values) known.push_back(argument);
  const std::string tensors = listed(known);
  for (const std::string& other : dim_names(frame)) known.push_back(other);
  throw UserError(name.where, "`" + name.text + "` is not defined; tensors are " + tensors +
                                  "; dims are " + listed(dim_names(frame)) +
                                  did_you_mean(name.text, known));
}

Tensor Scope::tensor(const NameAt& name, const std::string& purpose) const {
  if (const std::optional<Tensor> found = find_tensor(name.text)) return *found;
  if (dims_.count(name.text) != 0 || defs_.count(name.text) != 0)
    throw UserError(name.where,
                    "`" + name.text + "` is a " + (dims_.count(name.text) != 0 ? "dim" : "def") +
                        " where a tensor was expected; tensors are " + listed(tensor_names()));
  check_made(name);
  throw UserError(name.where, "there is no tensor `" + name.text + "` to " + purpose +
                                  "; tensors are " + listed(tensor_names()) +
                                  did_you_mean(name.text, tensor_names()));
}

std::string Scope::callable_names(const std::string& found) const {
  std::vector<std::string> defs;
  for (const auto& [name, def] : defs_) defs.push_back(name);
  std::vector<std::string> known = function_names();
  const std::string functions = join(known);
  known.insert(known.end(), reduction_names().begin(), reduction_names().end());
  for (const char* name : {"grad", "normal", "uniform", "extent"}) known.emplace_back(name);
  known.insert(known.end(), defs.begin(), defs.end());
  return "functions are " + functions + ", extent; reductions are " + join(reduction_names()) +
         "; casts are " + dtype_names() + "; defs are " + listed(defs) + did_you_mean(found, known);
}

const Statement& Scope::def(const NameAt& name) const {
  if (const auto it = defs_.find(name.text); it != defs_.end()) return it->second;
  if (dims_.count(name.text) != 0 || find_tensor(name.text))
    throw UserError(name.where, "`" + name.text + "` is a " +
                                    (dims_.count(name.text) != 0 ? "dim" : "tensor") +
                                    " and cannot be called; write * for a product");
  check_made(name);
  throw UserError(name.where,
                  "there is no function `" + name.text + "`; " + callable_names(name.text));
}

bool Scope::is_extent(const Syntax& call) const {
  return !call.quoted && call.text == "extent" && defs_.count(call.text) == 0;
}

void Scope::check_body(const Syntax& body, const Statement& own) const {
  const NameAt name{body.text, body.where, body.quoted};
  const auto check_dim = [&](const NameAt& dim_name) {
    if (!has(own.dims, dim_name.text)) dim(dim_name, nullptr);
  };
  if (body.kind == Syntax::Kind::name && (body.quoted || !is_number_word(body.text)) &&
      !has(own.values, body.text) && !has(own.dims, body.text))
    value(name, nullptr);
  if (body.kind == Syntax::Kind::call && (body.quoted || !is_reserved(body.text)) &&
      !is_extent(body)) {
    if (body.text == own.name.text)
      throw UserError(body.where, "`" + body.text +
                                      "` calls itself; a def is put in where it is "
                                      "called, so it may call only defs above it");
    def(name);
  }
  if (body.kind == Syntax::Kind::call)
    for (const NameAt& each : body.dims) check_dim(each);
  for (const IndexSyntax& index : body.indices) {
    check_dim(index.dim);
    check_body(*index.value, own);
    if (index.pad) check_body(*index.pad, own);
  }
  for (const SyntaxPtr& child : body.children) check_body(*child, own);
}

}  // namespace tessera
