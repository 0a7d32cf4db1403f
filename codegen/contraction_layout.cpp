#include "codegen/contraction_layout.h"

#include <algorithm>
#include <numeric>

#include "ir/structure.h"

namespace tessera {
namespace {

int64_t coefficient(const Affine& form, const Dim& dim) {
  const auto at = form.terms.find(dim);
  return at == form.terms.end() ? 0 : at->second;
}

void add_scaled(Affine& sum, const Affine& term, int64_t factor) {
  sum.constant += term.constant * factor;
  for (const auto& [dim, value] : term.terms)
    if ((sum.terms[dim] += value * factor) == 0) sum.terms.erase(dim);
}

// Every form in which the kernel will need an index: addresses, padded or computed indices, and
// indices used as values.
void collect_forms(const Expr& expr, std::vector<Affine>& forms) {
  if (const Read* read = as<Read>(expr)) {
    const std::optional<Affine> address = address_of(*read);
    if (address) forms.push_back(*address);
    for (const Index& index : read->indices)
      if (!address || read->pad) collect_forms(index.value, forms);
    return;
  }
  if (expr.type() == DType::i32 || expr.type() == DType::i64) {
    if (const std::optional<Affine> form = affine_form(expr)) {
      forms.push_back(*form);
      return;
    }
  }
  for (const Expr& child : children(expr)) collect_forms(child, forms);
}

std::vector<Affine> forms_of(const ContractionGroup& group) {
  const Contraction& c = group.contraction;
  std::vector<Affine> forms;
  collect_forms(c.a, forms);
  collect_forms(c.b, forms);
  if (c.scale) collect_forms(*c.scale, forms);
  forms.push_back(address_of(c.nest.out));
  for (const Nest& nest : group.epilogue) {
    collect_forms(nest.body, forms);
    forms.push_back(address_of(nest.out));
  }
  return forms;
}

// Dims by falling total step in `forms`; extents of 1 dropped; neighbours merged where all agree.
IndexLevels make_levels(const Dims& dims, const std::vector<Affine>& order,
                        const std::vector<Affine>& all) {
  const auto weight = [&](const Dim& dim) {
    int64_t sum = 0;
    for (const Affine& form : order) sum += std::abs(coefficient(form, dim));
    return sum;
  };
  Dims sorted_dims = dims;
  std::stable_sort(sorted_dims.begin(), sorted_dims.end(),
                   [&](const Dim& a, const Dim& b) { return weight(a) > weight(b); });
  IndexLevels levels;
  for (const Dim& dim : sorted_dims) {
    if (dim.extent() == 1) continue;
    const bool merges =
        !levels.empty() && std::all_of(all.begin(), all.end(), [&](const Affine& form) {
          return coefficient(form, levels.back().dim) == coefficient(form, dim) * dim.extent();
        });
    if (merges)
      levels.back() = {dim, levels.back().extent * dim.extent()};
    else
      levels.push_back({dim, dim.extent()});
  }
  return levels;
}

}  // namespace

ContractionLayout layout_of(const ContractionGroup& group) {
  const Contraction& c = group.contraction;
  const std::vector<Affine> all = forms_of(group);
  const std::vector<Affine> result = {address_of(c.nest.out)};
  std::vector<Affine> operands;
  for (const Expr& operand : {c.a, c.b})
    for (const Expr& node : subexpressions(operand))
      if (const Read* read = as<Read>(node))
        if (const std::optional<Affine> form = address_of(*read)) operands.push_back(*form);
  return {.batch = make_levels(c.batch, result, all),
          .m = make_levels(c.m, result, all),
          .n = make_levels(c.n, result, all),
          .k = make_levels(c.k, operands, all),
          .pads_of_b = {}};
}

int64_t volume(const IndexLevels& levels) {
  int64_t product = 1;
  for (const IndexLevel& level : levels) product *= level.extent;
  return product;
}

int64_t step_of(const Affine& form, const IndexLevel& level) {
  return coefficient(form, level.dim);
}

std::optional<int64_t> single_step(const Affine& form, const IndexLevels& levels) {
  if (levels.empty()) return 0;
  for (size_t i = 1; i < levels.size(); ++i)
    if (step_of(form, levels[i - 1]) != step_of(form, levels[i]) * levels[i].extent)
      return std::nullopt;
  return step_of(form, levels.back());
}

int64_t inner_step(const Affine& form, const IndexLevels& levels) {
  return levels.empty() ? 0 : step_of(form, levels.back());
}

bool is_read_at_once(const Affine& form, const IndexLevels& levels) {
  const int64_t step = inner_step(form, levels);
  return step == 0 || step == 1;
}

int64_t piece_within(const IndexLevels& levels, int64_t limit) {
  if (levels.size() <= 1) return limit;
  return std::gcd(levels.back().extent, limit);
}

bool stays_in_run(const IndexLevels& levels, int64_t width) {
  return levels.size() <= 1 || levels.back().extent % width == 0;
}

std::optional<Affine> address_of(const Read& read) {
  const std::vector<int64_t> strides = read.tensor.strides();
  Affine address;
  for (size_t i = 0; i < read.indices.size(); ++i) {
    const std::optional<Affine> form = affine_form(read.indices[i].value);
    if (!form) return std::nullopt;
    add_scaled(address, *form, strides[i]);
  }
  return address;
}

Affine address_of(const Tensor& written) {
  const std::vector<int64_t> strides = written.strides();
  Affine address;
  for (size_t i = 0; i < strides.size(); ++i)
    if (strides[i] != 0) address.terms[written.dims()[i]] = strides[i];
  return address;
}

}  // namespace tessera
