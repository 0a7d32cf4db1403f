#include "partition/rules.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "ir/guards.h"
#include "ir/structure.h"
#include "partition/linear.h"

namespace tessera {
namespace {

bool reads_data(const Expr& index) {
  return any_node(index, [](const Expr& node) { return as<Read>(node) != nullptr; });
}

// The loop that the index is, if it is one alone.
std::optional<Dim> plain_loop(const Expr& index) {
  const std::optional<Affine> form = affine_form(index);
  return form ? form->plain() : std::nullopt;
}

bool names_tensor(const Choice& choice, const Tensor& tensor) {
  return std::find(choice.tensors.begin(), choice.tensors.end(), tensor.name()) !=
         choice.tensors.end();
}

Axes effective_order(const Assignment& assignment) {
  if (!assignment.order.empty()) return assignment.order;
  Axes order;
  for (size_t i = 0; i < assignment.axes.size(); ++i) order.push_back(static_cast<int>(i));
  return order;
}

const Choice& at(const Assignment& assignment, int axis) {
  return assignment.axes[static_cast<size_t>(axis)];
}

}  // namespace

std::string describe(const Choice& choice) {
  switch (choice.kind) {
    case Choice::Kind::none:
      return "-";
    case Choice::Kind::loop:
      return choice.dim;
    case Choice::Kind::gather:
      return "gather " + choice.tensors[0] + "[" + choice.dim + "]";
    case Choice::Kind::pass:
      return "pass " + join(choice.tensors);
  }
  return "";
}

Choice parse_choice(const std::string& text) {
  const auto fail = [&text]() -> Choice {
    throw UserError("`" + text +
                    "` is not a choice; write `-`, a dim, `gather table[dim]` or `pass a, b`");
  };
  if (text.empty()) return fail();
  if (text == "-") return {};
  if (text.rfind("gather ", 0) == 0) {
    const size_t open = text.find('[');
    if (open == std::string::npos || open <= 7 || text.back() != ']' || open + 2 >= text.size())
      return fail();
    return {Choice::Kind::gather,
            text.substr(open + 1, text.size() - open - 2),
            {text.substr(7, open - 7)}};
  }
  if (text.rfind("pass ", 0) == 0) {
    Choice choice{Choice::Kind::pass, "", {}};
    for (size_t begin = 5; begin <= text.size();) {
      const size_t end = std::min(text.find(", ", begin), text.size());
      if (end == begin) return fail();
      choice.tensors.push_back(text.substr(begin, end - begin));
      begin = end + 2;
    }
    return choice.tensors.empty() ? fail() : choice;
  }
  if (text.find_first_of(" []") != std::string::npos) return fail();
  return {Choice::Kind::loop, text, {}};
}

Assignment unassigned(const Mesh& mesh) {
  return {std::vector<Choice>(mesh.axes.size()), {}};
}

std::string loop_label(const Nest& nest, const Dim& loop) {
  int earlier = 0;
  for (const Dim& dim : nest.loops()) {
    if (dim == loop) break;
    if (dim.name() == loop.name()) ++earlier;
  }
  return earlier == 0 ? loop.name() : loop.name() + "#" + std::to_string(earlier + 1);
}

std::optional<Dim> find_loop(const Nest& nest, const std::string& label) {
  for (const Dim& dim : nest.loops())
    if (loop_label(nest, dim) == label) return dim;
  return std::nullopt;
}

NestRules::NestRules(const Nest& nest, const Dims& iterated) : nest_(nest), iterated_(iterated) {
  find_operands();
  for (const Dim& dim : nest.out.dims()) out_labels_.push_back(loop_label(nest, dim));
  find_slots();
  find_equations();
}

const std::vector<Choice>& NestRules::choices() const {
  if (choices_.empty()) find_choices();
  return choices_;
}

// Equal reads are one operand; as each comes after what its indices read, all are told apart in one
// walk.
void NestRules::find_operands() {
  SharedNodes shared;
  std::unordered_map<const ExprNode*, size_t> known;
  for (const Expr& read : reads_of(nest_)) {
    const auto [it, fresh] = known.emplace(&shared.share(read).node(), operands_.size());
    if (fresh) operands_.push_back(read);
    operand_of_.emplace(&read.node(), it->second);
  }
}

size_t NestRules::operand_of(const Expr& read) const {
  return operand_of_.at(&read.node());
}

const Tensor& NestRules::operand_tensor(size_t operand) const {
  return as<Read>(operands_[operand])->tensor;
}

void NestRules::find_slots() {
  for (const Expr& operand : operands_) {
    const Read& read = *as<Read>(operand);
    std::vector<Slot> slots(read.indices.size());
    for (size_t i = 0; i < slots.size(); ++i) {
      slots[i].data = reads_data(read.indices[i].value);
      const std::optional<Dim> loop = plain_loop(read.indices[i].value);
      // A loop over a part of the dim has other blocks than the dim; of a diagonal, one dim is
      // split and the other whole.
      if (!loop || loop->extent() != read.tensor.dims()[i].extent()) continue;
      const std::string label = loop_label(nest_, *loop);
      const bool taken = std::any_of(slots.begin(), slots.end(),
                                     [&label](const Slot& slot) { return slot.loop == label; });
      if (!taken) slots[i].loop = label;
    }
    slots_.push_back(std::move(slots));
  }
}

void NestRules::find_equations() {
  if (!nest_.op) return;
  for (const Expr& condition : split_guards(nest_.body, *nest_.op).conditions) {
    const Apply* apply = as<Apply>(condition);
    if (apply == nullptr || apply->fn != Fn::eq || !is_integer(apply->args[0].type()) ||
        reads_data(condition))
      continue;
    Equation equation{apply->args[0], apply->args[1], equation_of(condition), condition.dims()};
    if (equation.zero)
      std::erase_if(equation.dims,
                    [&](const Dim& dim) { return equation.zero->terms.count(dim) == 0; });
    equations_.push_back(std::move(equation));
  }
}

void NestRules::find_choices() const {
  choices_.push_back({});
  for (const Dim& loop : nest_.loops())
    if (!contains(iterated_, loop))
      choices_.push_back({Choice::Kind::loop, loop_label(nest_, loop), {}});
  if (nest_.op && *nest_.op != ReduceOp::sum) return;
  if (nest_.body.type() == DType::b8) return;
  std::set<std::pair<Tensor, size_t>> tried;
  for (size_t k = 0; k < operands_.size(); ++k) {
    const Tensor& table = operand_tensor(k);
    if (table.type() == DType::b8) continue;
    for (size_t i = 0; i < slots_[k].size(); ++i) {
      if (!slots_[k][i].data || !tried.emplace(table, i).second) continue;
      const Choice choice{Choice::Kind::gather, table.dims()[i].name(), {table.name()}};
      const auto member = [&](const Read& read) {
        return read.tensor == table && reads_data(read.indices[i].value);
      };
      if (!legal(choice) && linear_in(nest_.body, member)) choices_.push_back(choice);
    }
  }
  for (const std::vector<Tensor>& set : linear_sets(nest_.body)) {
    // Only what was computed can be partial; making a stored tensor so would gain nothing.
    if (std::none_of(set.begin(), set.end(),
                     [](const Tensor& tensor) { return tensor.role() == Role::definition; }))
      continue;
    Choice choice{Choice::Kind::pass, "", {}};
    for (const Tensor& tensor : set) choice.tensors.push_back(tensor.name());
    if (!legal(choice)) choices_.push_back(choice);
  }
}

bool NestRules::legal(const Choice& choice) const {
  const std::vector<Choice>& known = choices();
  return std::find(known.begin(), known.end(), choice) != known.end();
}

bool NestRules::guarded(size_t operand, size_t at_dim, const Assignment& assignment) const {
  if (!slots_[operand][at_dim].data) return false;
  const Tensor& tensor = operand_tensor(operand);
  return std::any_of(assignment.axes.begin(), assignment.axes.end(), [&](const Choice& choice) {
    return choice.kind == Choice::Kind::gather && names_tensor(choice, tensor) &&
           choice.dim == tensor.dims()[at_dim].name();
  });
}

Sharding NestRules::operand_sharding(size_t operand, const Assignment& assignment) const {
  const Tensor& tensor = operand_tensor(operand);
  Sharding sharding = replicated(tensor);
  for (const int axis : effective_order(assignment)) {
    const Choice& choice = at(assignment, axis);
    if (choice.kind == Choice::Kind::pass && names_tensor(choice, tensor))
      sharding.partial.push_back(axis);
    for (size_t i = 0; i < sharding.split.size() && !uses(sharding, axis); ++i) {
      const Slot& slot = slots_[operand][i];
      const bool by_loop = choice.kind == Choice::Kind::loop && slot.loop == choice.dim;
      const bool by_gather = choice.kind == Choice::Kind::gather && slot.data &&
                             names_tensor(choice, tensor) && choice.dim == tensor.dims()[i].name();
      if (by_loop || by_gather) sharding.split[i].push_back(axis);
    }
  }
  std::sort(sharding.partial.begin(), sharding.partial.end());
  return sharding;
}

Sharding NestRules::result_sharding(const Assignment& assignment) const {
  Sharding sharding = replicated(nest_.out);
  if (nest_.op) sharding.op = *nest_.op;
  for (const int axis : effective_order(assignment)) {
    const Choice& choice = at(assignment, axis);
    if (choice.kind == Choice::Kind::none) continue;
    const auto it = std::find(out_labels_.begin(), out_labels_.end(), choice.dim);
    if (choice.kind == Choice::Kind::loop && it != out_labels_.end())
      sharding.split[static_cast<size_t>(it - out_labels_.begin())].push_back(axis);
    else
      sharding.partial.push_back(axis);
  }
  std::sort(sharding.partial.begin(), sharding.partial.end());
  return sharding;
}

Axes NestRules::loop_axes(const Dim& loop, const Assignment& assignment) const {
  const std::string label = loop_label(nest_, loop);
  Axes axes;
  for (const int axis : effective_order(assignment)) {
    const Choice& choice = at(assignment, axis);
    if (choice.kind == Choice::Kind::loop && choice.dim == label) axes.push_back(axis);
  }
  return axes;
}

}  // namespace tessera
