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

bool is_reduction_by(const Tensor& tensor, ReduceOp op) {
  if (tensor.role() != Role::definition) return false;
  const Reduce* reduce = as<Reduce>(tensor.value());
  return reduce != nullptr && reduce->op == static_cast<Reduction>(op);
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
      return choice.turning.empty() ? choice.dim : choice.dim + " turning " + choice.turning;
    case Choice::Kind::gather:
      return "gather " + choice.tensors[0] + "[" + choice.dim + "]";
    case Choice::Kind::pass:
      return (choice.op == ReduceOp::sum ? "pass "
                                         : "pass " + std::string(name_of(choice.op)) + " of ") +
             join(choice.tensors);
  }
  return "";
}

Choice parse_choice(const std::string& text) {
  const auto fail = [&text]() -> Choice {
    throw UserError("`" + text +
                    "` is not a choice; write `-`, a dim, `dim turning k`, `gather table[dim]`, "
                    "`pass a, b` or `pass max of a`");
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
    size_t first = 5;
    for (const ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
      const std::string of = std::string(name_of(op)) + " of ";
      if (text.compare(first, of.size(), of) != 0) continue;
      choice.op = op;
      first += of.size();
      break;
    }
    for (size_t begin = first; begin <= text.size();) {
      const size_t end = std::min(text.find(", ", begin), text.size());
      if (end == begin) return fail();
      choice.tensors.push_back(text.substr(begin, end - begin));
      begin = end + 2;
    }
    return choice.tensors.empty() ? fail() : choice;
  }
  Choice choice{Choice::Kind::loop, text, {}};
  if (const size_t at = text.find(" turning "); at != std::string::npos) {
    choice.dim = text.substr(0, at);
    choice.turning = text.substr(at + 9);
  }
  for (const std::string& name : {choice.dim, choice.turning})
    if (name.find_first_of(" []") != std::string::npos) return fail();
  return choice.dim.empty() ? fail() : choice;
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
  if (nest_.body.type() == DType::b8) return;
  if (!nest_.op || *nest_.op == ReduceOp::sum) find_gathers();
  find_passes();
}

void NestRules::find_gathers() const {
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
}

// All passes of a nest are by one op, so that every combination is legal: that of its reduction, or
// of a map sum where there is something to it.
void NestRules::find_passes() const {
  const auto add = [this](const std::vector<Tensor>& set, ReduceOp op) {
    Choice choice{Choice::Kind::pass, "", {}};
    choice.op = op;
    for (const Tensor& tensor : set) choice.tensors.push_back(tensor.name());
    if (!legal(choice)) choices_.push_back(choice);
  };
  const size_t before = choices_.size();
  if (!nest_.op || *nest_.op == ReduceOp::sum)
    for (const std::vector<Tensor>& set : linear_sets(nest_.body)) {
      // Only what was computed can be partial; making a stored tensor so would gain nothing.
      const bool some = std::any_of(set.begin(), set.end(), [](const Tensor& tensor) {
        return tensor.role() == Role::definition && !is_reduction_by(tensor, ReduceOp::max) &&
               !is_reduction_by(tensor, ReduceOp::min);
      });
      if (some) add(set, ReduceOp::sum);
    }
  for (const ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
    if (choices_.size() > before || (nest_.op && *nest_.op != op)) continue;
    std::set<Tensor> tensors;
    for (size_t k = 0; k < operands_.size(); ++k)
      if (is_reduction_by(operand_tensor(k), op)) tensors.insert(operand_tensor(k));
    if (tensors.empty()) continue;
    for (const std::vector<Tensor>& set :
         rising_sets(nest_.body, op, {tensors.begin(), tensors.end()}))
      add(set, op);
  }
}

ReduceOp NestRules::partial_op() const {
  if (nest_.op) return *nest_.op;
  for (const Choice& choice : choices())
    if (choice.kind == Choice::Kind::pass) return choice.op;
  return ReduceOp::sum;
}

// Is the loop read at the very dim that it indexes, wherever it is used, and does something that
// `loop` does not use go around?
bool NestRules::may_turn(const Dim& loop, const Dim& reduced) const {
  const std::string label = loop_label(nest_, reduced);
  bool turns = false;
  for (size_t k = 0; k < operands_.size(); ++k) {
    const Read& read = *as<Read>(operands_[k]);
    if (!contains(operands_[k].dims(), reduced)) continue;
    for (size_t i = 0; i < read.indices.size(); ++i)
      if (contains(read.indices[i].value.dims(), reduced) && slots_[k][i].loop != label)
        return false;
    turns = turns || !contains(operands_[k].dims(), loop);
  }
  return turns;
}

const std::vector<Choice>& NestRules::turns() const {
  if (turns_) return *turns_;
  turns_.emplace();
  if (!nest_.op || !iterated_.empty()) return *turns_;
  for (const Dim& loop : nest_.loops())
    for (const Dim& reduced : nest_.reduced) {
      if (loop == reduced || !may_turn(loop, reduced)) continue;
      Choice choice{Choice::Kind::loop, loop_label(nest_, loop), {}};
      choice.turning = loop_label(nest_, reduced);
      turns_->push_back(choice);
    }
  return *turns_;
}

std::optional<Dim> NestRules::turning(const Assignment& assignment) const {
  for (const Choice& choice : assignment.axes)
    if (!choice.turning.empty()) return find_loop(nest_, choice.turning);
  return std::nullopt;
}

Axes NestRules::turning_axes(const Assignment& assignment) {
  Axes axes;
  for (size_t i = 0; i < assignment.axes.size(); ++i)
    if (!assignment.axes[i].turning.empty()) axes.push_back(static_cast<int>(i));
  return axes;
}

int NestRules::turning_axis(size_t operand, const Assignment& assignment) const {
  int found = -1;
  for (const int axis : turning_axes(assignment)) {
    const Choice& choice = at(assignment, axis);
    const Dims& used = operands_[operand].dims();
    const auto loop = find_loop(nest_, choice.dim), reduced = find_loop(nest_, choice.turning);
    if (!loop || !reduced || contains(used, *loop) || !contains(used, *reduced)) continue;
    if (found >= 0) return -1;  // over two axes: whole, instead
    found = axis;
  }
  return found;
}

bool NestRules::legal(const Choice& choice) const {
  const std::vector<Choice>& known = choice.turning.empty() ? choices() : turns();
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
    if (choice.kind == Choice::Kind::pass && names_tensor(choice, tensor)) {
      sharding.partial.push_back(axis);
      sharding.op = choice.op;
    }
    for (size_t i = 0; i < sharding.split.size() && !uses(sharding, axis); ++i) {
      const Slot& slot = slots_[operand][i];
      const bool by_loop = choice.kind == Choice::Kind::loop && slot.loop == choice.dim;
      const bool by_gather = choice.kind == Choice::Kind::gather && slot.data &&
                             names_tensor(choice, tensor) && choice.dim == tensor.dims()[i].name();
      if (by_loop || by_gather) sharding.split[i].push_back(axis);
    }
  }
  std::sort(sharding.partial.begin(), sharding.partial.end());
  // Innermost, so that what goes around lies together.
  if (const int axis = turning_axis(operand, assignment); axis >= 0)
    for (size_t i = 0; i < sharding.split.size(); ++i)
      if (slots_[operand][i].loop == at(assignment, axis).turning)
        sharding.split[i].push_back(axis);
  return sharding;
}

Sharding NestRules::result_sharding(const Assignment& assignment) const {
  Sharding sharding = replicated(nest_.out);
  if (nest_.op) sharding.op = *nest_.op;
  for (const int axis : effective_order(assignment)) {
    const Choice& choice = at(assignment, axis);
    if (choice.kind == Choice::Kind::none) continue;
    if (choice.kind == Choice::Kind::pass) sharding.op = choice.op;
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
