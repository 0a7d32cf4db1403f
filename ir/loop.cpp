#include "ir/loop.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/error.h"
#include "ir/expr_types.h"
#include "ir/functions.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// One attempt at a loop: the carried tensors over certain dims and what the body makes of them.
struct Attempt {
  std::vector<Tensor> carried;
  Iteration iteration;
};

// One loop that is being built.
struct Plan {
  Dim over;
  std::vector<Expr> initial;
  std::vector<std::string> names;
  std::vector<Dims> dims;  // wanted beside those of `initial`
  SourceLocation where;

  std::string name(size_t i) const {
    return i < names.size() ? names[i] : over.name() + "_value" + std::to_string(i + 1);
  }
};

void check_count(const char* what, size_t found, size_t wanted, const SourceLocation& where) {
  if (found == wanted) return;
  throw UserError(where, "the body of the loop gives " + std::to_string(found) + " " + what +
                             " for " + std::to_string(wanted) + " carried values; give one each");
}

void check_type(const std::string& called, const Tensor& carried, const Expr& next,
                const SourceLocation& where) {
  if (next.type() == carried.type() || is_literal(next)) return;
  throw UserError(where, "the carried value `" + called + "` begins as " + name_of(carried.type()) +
                             " and the body makes it " + name_of(next.type()) +
                             "; convert it, as in " + name_of(carried.type()) + "(…)");
}

// The dims of a carried value after an iteration: `next` may have some that `carried` lacks, or
// lack some, but not swap one for another.
Dims grown_dims(const std::string& called, const Tensor& carried, const Expr& next,
                const SourceLocation& where) {
  const Dims kept = subtract(carried.dims(), {carried.over()});
  const Dims found = subtract(next.dims(), {carried.over()});
  if (subtract(found, kept).empty() || subtract(kept, found).empty()) return unite(kept, found);
  throw UserError(where, "the carried value `" + called + "` has dims " + describe(kept) +
                             " and the body gives it " + describe(found) +
                             "; an iteration may add dims but not swap them");
}

// With a condition, a bool is carried too: does the loop still go on?
LoopBody with_condition(const LoopBody& body) {
  return [body](const std::vector<Tensor>& carried) {
    const std::vector<Tensor> own(carried.begin(), carried.end() - 1);
    Iteration iteration = body(own);
    const Tensor going = Expr(carried.back()) && *iteration.while_holds;
    for (size_t i = 0; i < own.size(); ++i)
      iteration.next[i] = tessera::where(going, iteration.next[i], own[i]);
    iteration.next.push_back(going);
    iteration.while_holds.reset();
    return iteration;
  };
}

// A carried tensor that stands for what adopts types.
Tensor adopting(const Tensor& carried) {
  auto node = std::make_shared<TensorNode>(*carried.id());
  node->adopts_type = true;
  return Tensor(std::move(node));
}

Attempt attempt(const Plan& plan, const std::vector<Dims>& dims, const LoopBody& body,
                bool looks_for_types = false) {
  Attempt result;
  for (size_t i = 0; i < plan.initial.size(); ++i)
    result.carried.push_back(named_later(make_carried("", plan.over, false, plan.initial[i],
                                                      plan.where, unite(dims[i], {plan.over})),
                                         plan.name(i) + "_so_far"));
  if (looks_for_types)
    for (size_t i = 0; i < plan.initial.size(); ++i)
      if (adopts_type(plan.initial[i])) result.carried[i] = adopting(result.carried[i]);
  result.iteration = body(result.carried);
  check_count("values", result.iteration.next.size(), plan.initial.size(), plan.where);
  return result;
}

// Of the carried values before the body gives them any.
std::vector<Dims> first_dims(const Plan& plan) {
  std::vector<Dims> dims;
  for (size_t i = 0; i < plan.initial.size(); ++i)
    dims.push_back(unite(plan.initial[i].dims(), i < plan.dims.size() ? plan.dims[i] : Dims{}));
  return dims;
}

// Literals among the first values get the type of what the body makes of them. It is called with
// tensors that adopt types in their place; a type found may decide another. So are dims found.
void find_types(Plan& plan, std::vector<Dims>& dims, const LoopBody& body) {
  const auto open = [&] {
    return std::any_of(plan.initial.begin(), plan.initial.end(), adopts_type);
  };
  for (bool found = true; found && open();) {
    found = false;
    const Attempt tried = attempt(plan, dims, body, true);
    for (size_t i = 0; i < plan.initial.size(); ++i) {
      Expr& initial = plan.initial[i];
      const Expr& next = tried.iteration.next[i];
      dims[i] = grown_dims(plan.name(i), tried.carried[i], next, plan.where);
      if (next.type() == initial.type() || !may_adopt(initial, next.type())) continue;
      initial = adopt(initial, next.type(), plan.where);
      found = true;
    }
  }
}

Loop close(const Plan& plan, const Attempt& attempt) {
  const Dim& over = plan.over;
  const std::vector<Expr>& initial = plan.initial;
  const SourceLocation& where = plan.where;
  std::vector<Update> carries;
  for (size_t i = 0; i < initial.size(); ++i) {
    const Tensor& target = attempt.carried[i];
    const Expr& next = attempt.iteration.next[i];
    const Expr typed = is_literal(next) ? adopt_literal(next, target.type(), "loop") : next;
    const std::optional<Tensor> whole = whole_tensor(typed);
    const bool fits = whole && whole->role() == Role::definition && whole->dims() == target.dims();
    carries.push_back({target, fits ? *whole : make_definition("", typed, where, target.dims())});
  }
  const auto shared = std::make_shared<const std::vector<Update>>(carries);
  Loop result;
  for (size_t i = 0; i < initial.size(); ++i) {
    const int64_t last = over.extent() - 1;
    const Dims dims = subtract(attempt.carried[i].dims(), {over});
    const Expr value =
        last >= 0
            ? make_looped(carries[i].value.at(over, static_cast<int>(last), std::nullopt, where),
                          shared)
        : initial[i].dims() == dims ? initial[i]
                                    : make_read(make_definition("", initial[i], where, dims));
    result.last.push_back(make_definition("", value, where, dims));
  }
  for (const Expr& value : attempt.iteration.each)
    result.each.push_back(
        make_definition("", make_looped(value, shared), where, unite(value.dims(), {over})));
  return result;
}

}  // namespace

Dims iterated_around(const Tensor& value) {
  Dims found;
  std::set<Tensor> seen;
  std::vector<Tensor> open = {value};
  while (!open.empty()) {
    const Tensor tensor = open.back();
    open.pop_back();
    if (!seen.insert(tensor).second) continue;
    if (tensor.role() == Role::carried) found = unite(found, {tensor.over()});
    if (tensor.role() != Role::definition) continue;
    const bool after =
        any_node(tensor.value(), [](const Expr& node) { return as<Looped>(node) != nullptr; });
    if (after) continue;
    const std::vector<Tensor> reads = tensors_read(tensor.value());
    open.insert(open.end(), reads.begin(), reads.end());
  }
  return found;
}

Loop loop(const Dim& over, const std::vector<Expr>& first, const LoopBody& body,
          const SourceLocation& where, const std::vector<std::string>& names,
          const std::vector<Dims>& more) {
  Plan plan{over, first, names, more, where};
  if (first.empty()) throw UserError(where, "a loop carries at least one value");
  std::vector<Dims> dims = first_dims(plan);
  find_types(plan, dims, body);
  const std::vector<Expr>& initial = plan.initial;
  Attempt current = attempt(plan, dims, body);
  if (current.iteration.while_holds) {
    if (!current.iteration.each.empty())
      throw UserError(where,
                      "a loop with a condition cannot collect values: it ends after a number of "
                      "iterations that only its run decides");
    if (current.iteration.while_holds->type() != DType::b8)
      throw UserError(where, "the condition of a loop is a bool, not " +
                                 std::string(name_of(current.iteration.while_holds->type())));
    std::vector<Expr> with_going = initial;
    with_going.push_back(make_constant(Scalar::of_bool(true), where));
    std::vector<std::string> more_names;
    for (size_t i = 0; i < initial.size(); ++i) more_names.push_back(plan.name(i));
    more_names.push_back(over.name() + "_going");
    Loop result = loop(over, with_going, with_condition(body), where, more_names, more);
    result.last.pop_back();
    return result;
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t i = 0; i < initial.size(); ++i) {
      const Expr& next = current.iteration.next[i];
      check_type(plan.name(i), current.carried[i], next, where);
      const Dims wanted = grown_dims(plan.name(i), current.carried[i], next, where);
      grown = grown || wanted.size() > dims[i].size();
      dims[i] = wanted;
    }
    if (grown) current = attempt(plan, dims, body);
  }
  return close(plan, current);
}

}  // namespace tessera
