#include "partition/iteration.h"

#include "base/error.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool stays_inside(const Expr& index, const Dim& dim) {
  const std::optional<IndexRange> range = index_range(index);
  return range && range->low >= 0 && range->high < dim.extent();
}

bool is_still(const std::vector<int64_t>& steps) {
  for (const int64_t step : steps)
    if (step != 0) return false;
  return true;
}

// Elements between neighbours along dim `at`.
int64_t stride(const Tensor& tensor, size_t at) {
  int64_t elements = 1;
  for (size_t i = at + 1; i < tensor.dims().size(); ++i) elements *= tensor.dims()[i].extent();
  return elements;
}

Dims without_first(const Dims& dims, size_t count) {
  return {dims.begin() + static_cast<std::ptrdiff_t>(count), dims.end()};
}

void add_depths(const std::vector<Step>& steps, size_t depth, std::map<Tensor, size_t>& found) {
  for (const Step& step : steps) {
    if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
      for (const Carry& carry : loop->carries) found.emplace(carry.carried, depth + 1);
      add_depths(loop->body, depth + 1, found);
    } else if (depth > 0) {
      found.emplace(outputs_of(step)[0], depth);
    }
  }
}

}  // namespace

IterationParts::IterationParts(const Dims& loops, const std::map<Tensor, size_t>& depths)
    : loops_(loops), depths_(depths) {
  for (const Dim& loop : loops)
    counters_.push_back(make_tensor(loop.name(), {}, DType::i32, Role::input, {}, loop.where()));
}

int IterationParts::loop_of(const Dim& dim) const {
  return position(loops_, dim);
}

Nest IterationParts::part(const Nest& nest) {
  if (loops_.empty() && depths_.empty()) return nest;
  known_.clear();
  const std::vector<Lead> lead = current(nest.out);
  Expr value = rewrite(nest.body);
  if (lead.empty()) return {nest.out, nest.op, nest.reduced, value};
  if (nest.op)
    value = make_reduce(static_cast<Reduction>(*nest.op), nest.reduced, value, nest.out.where());
  const Tensor out = make_undivided(nest.out.name(), value, nest.out.where(),
                                    without_first(nest.out.dims(), lead.size()));
  const View view{nest.out, lead, std::vector<int64_t>(loops_.size(), 0)};
  parts_.insert_or_assign({nest.out, {view.lead, view.steps}}, out);
  views_.emplace(out, view);
  return nest_of(out);
}

CommStep IterationParts::part(const CommStep& step) {
  CommStep inner = step;
  inner.input = part(step.input);
  inner.output = part(step.output);
  const int dropped = static_cast<int>(current(step.output).size());
  if (inner.gather_dim >= 0) inner.gather_dim -= dropped;
  if (inner.scatter_dim >= 0) inner.scatter_dim -= dropped;
  return inner;
}

Tensor IterationParts::part(const Tensor& tensor) {
  return tensor_of({tensor, current(tensor), std::vector<int64_t>(loops_.size(), 0)});
}

View IterationParts::view(const Tensor& part) const {
  const auto it = views_.find(part);
  if (it != views_.end()) return it->second;
  return {part, {}, std::vector<int64_t>(loops_.size(), 0)};
}

// Along the dims that loops around here and around the tensor iterate.
std::vector<Lead> IterationParts::current(const Tensor& tensor) const {
  const auto it = depths_.find(tensor);
  std::vector<Lead> lead;
  for (size_t i = 0; it != depths_.end() && i < it->second; ++i) {
    const int loop = loop_of(tensor.dims()[i]);
    if (loop < 0) break;
    lead.push_back({loop, 0});
  }
  return lead;
}

Tensor IterationParts::tensor_of(const View& view) {
  const Key key{view.whole, {view.lead, view.steps}};
  const auto it = parts_.find(key);
  if (it != parts_.end()) return it->second;
  if (view.lead.empty() && is_still(view.steps)) return view.whole;
  const Tensor& whole = view.whole;
  const Tensor made = make_tensor(whole.name(), without_first(whole.dims(), view.lead.size()),
                                  whole.type(), Role::input, {}, whole.where());
  parts_.emplace(key, made);
  views_.emplace(made, view);
  return made;
}

Expr IterationParts::rewrite(const Expr& expr) {
  const auto it = known_.find(&expr.node());
  if (it != known_.end()) return it->second;
  const Expr result = rewrite_node(expr);
  known_.emplace(&expr.node(), result);
  return result;
}

Expr IterationParts::rewrite_node(const Expr& expr) {
  if (const IndexOf* index = as<IndexOf>(expr)) {
    const int loop = loop_of(index->dim);
    if (loop < 0) return expr;
    const Expr count = make_constant(Scalar::of_int(DType::i32, index->dim.extent()), expr.where());
    const Expr counter = make_read(counters_[static_cast<size_t>(loop)], expr.where());
    return make_apply(Fn::mod, {counter, count}, expr.where());
  }
  if (const Read* read = as<Read>(expr)) return rewrite_read(expr, *read);
  std::vector<Expr> after;
  bool same = true;
  for (const Expr& child : children(expr)) {
    after.push_back(rewrite(child));
    same = same && after.back().is(child);
  }
  return same ? expr : with_children(expr, after);
}

// Only a tensor that a loop computes has its iterations one after the other in memory.
std::vector<Lead> IterationParts::lead_of(const Read& read) const {
  const auto it = depths_.find(read.tensor);
  std::vector<Lead> lead;
  for (size_t i = 0; it != depths_.end() && i < it->second; ++i) {
    const Expr& index = read.indices[i].value;
    const std::optional<Affine> form = affine_form(index);
    if (!form || !stays_inside(index, read.tensor.dims()[i])) break;
    Lead at{-1, form->constant};
    if (!form->terms.empty()) {
      at.loop = loop_of(form->terms.begin()->first);
      if (form->terms.size() > 1 || form->terms.begin()->second != 1 || at.loop < 0) break;
    }
    lead.push_back(at);
  }
  return lead;
}

Expr IterationParts::rewrite_read(const Expr& expr, const Read& read) {
  View view{read.tensor, lead_of(read), std::vector<int64_t>(loops_.size(), 0)};
  std::vector<Index> indices;
  bool same = view.lead.empty();
  bool padded = false;
  for (size_t i = view.lead.size(); i < read.indices.size(); ++i) {
    Index index = read.indices[i];
    const std::optional<Affine> form = affine_form(index.value);
    if (form && stays_inside(index.value, read.tensor.dims()[i])) {
      Affine rest{{}, form->constant};
      for (const auto& [dim, coefficient] : form->terms) {
        const int loop = loop_of(dim);
        if (loop >= 0)
          view.steps[static_cast<size_t>(loop)] += coefficient * stride(read.tensor, i);
        else
          rest.terms.emplace(dim, coefficient);
      }
      if (rest.terms.size() < form->terms.size())
        index = {to_expr(rest, index.value.where()), false};
    } else {
      index.value = rewrite(index.value);
    }
    same = same && index.value.is(read.indices[i].value);
    padded = padded || index.padded;
    indices.push_back(std::move(index));
  }
  const Tensor tensor = tensor_of(view);
  if (same && tensor == read.tensor) return expr;
  return make_read(tensor, std::move(indices), padded ? read.pad : std::nullopt, expr.where());
}

std::map<Tensor, size_t> loop_depths(const ShardedProgram& program) {
  std::map<Tensor, size_t> found;
  add_depths(program.steps, 0, found);
  return found;
}

}  // namespace tessera
