#include "ir/sequence.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ir/index_range.h"
#include "ir/loop_condition.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool is_computed(const Tensor& tensor) {
  return tensor.role() == Role::definition || tensor.role() == Role::carried;
}

// `reader` needs `source`, of `distance` iterations ago.
struct Dependence {
  Tensor source;
  int64_t distance = 0;
};

// How many iterations over `over` before its own the formula reads each tensor of `group`; nothing
// when some read is not a fixed number of iterations away.
std::optional<std::vector<Dependence>> dependences(const Expr& value, const std::set<Tensor>& group,
                                                   const Dim& over, bool descending) {
  std::vector<Dependence> found;
  for (const Expr& node : subexpressions(value)) {
    if (const Reduce* reduce = as<Reduce>(node); reduce != nullptr && contains(reduce->dims, over))
      for (const Tensor& read : tensors_read(reduce->body))
        if (group.count(read) != 0) return std::nullopt;
    if (const Gradient* gradient = as<Gradient>(node)) {
      const bool within = contains(gradient->loss.dims(), over);  // an iteration
      for (const Tensor& needed : {gradient->loss, gradient->wrt}) {
        if (group.count(needed) == 0) continue;
        if (!within) return std::nullopt;
        found.push_back({needed, 0});
      }
    }
    const Read* read = as<Read>(node);
    if (read == nullptr || group.count(read->tensor) == 0) continue;
    const int at = position(read->tensor.dims(), over);
    if (at < 0) return std::nullopt;
    const std::optional<Affine> index = affine_form(read->indices[static_cast<size_t>(at)].value);
    if (!index || index->terms != std::map<Dim, int64_t>{{over, 1}}) return std::nullopt;
    const int64_t distance = descending ? index->constant : -index->constant;
    if (distance < 0) return std::nullopt;
    found.push_back({read->tensor, distance});
  }
  return found;
}

// Strongly connected components of the tensors in `nodes`, each after those it depends on (Tarjan,
// "Depth-first search and linear graph algorithms", 1972).
class Components {
 public:
  using Edges = std::map<Tensor, std::vector<Tensor>>;

  Components(const std::vector<Tensor>& nodes, const Edges& edges) : edges_(edges) {
    for (const Tensor& node : nodes)
      if (number_.count(node) == 0) visit(node);
  }

  std::vector<std::vector<Tensor>> take() { return std::move(components_); }

 private:
  size_t visit(const Tensor& node) {
    const size_t own = number_[node] = number_.size() + 1;
    size_t low = own;
    open_.push_back(node);
    on_stack_.insert(node);
    for (const Tensor& source : edges_.at(node)) {
      if (number_.count(source) == 0) {
        low = std::min(low, visit(source));
      } else if (on_stack_.count(source) != 0) {
        low = std::min(low, number_.at(source));
      }
    }
    if (low != own) return low;
    std::vector<Tensor> component;
    do {
      component.push_back(open_.back());
      on_stack_.erase(open_.back());
      open_.pop_back();
    } while (!(component.back() == node));
    components_.push_back(std::move(component));
    return low;
  }

  const Edges& edges_;
  std::map<Tensor, size_t> number_;
  std::vector<Tensor> open_;
  std::set<Tensor> on_stack_;
  std::vector<std::vector<Tensor>> components_;
};

class Sequencer {
 public:
  explicit Sequencer(const Program& program)
      : program_(program), held_(held_by_conditions(program)) {}

  Sequence run() {
    std::vector<Tensor> nodes;
    Components::Edges edges;
    for (const Tensor& tensor : computed_tensors(program_)) {
      nodes.push_back(tensor);
      order_.emplace(tensor, order_.size());
      std::vector<Tensor>& sources = edges[tensor];
      for (const Tensor& source : program_.sources_of(tensor))
        if (is_computed(source)) sources.push_back(source);
    }
    return arrange(nodes, edges, true);
  }

 private:
  // With the cycles that make a condition one loop with all that it holds.
  Components::Edges tied(const std::vector<Tensor>& nodes, Components::Edges edges) const {
    for (const auto& [condition, held] : held_)
      if (const auto it = edges.find(condition); it != edges.end())
        for (const Tensor& carried : held)
          if (std::find(nodes.begin(), nodes.end(), carried) != nodes.end())
            it->second.push_back(carried);
    return edges;
  }

  static Components::Edges among(const std::vector<Tensor>& nodes, const Components::Edges& edges) {
    const std::set<Tensor> group(nodes.begin(), nodes.end());
    Components::Edges found;
    for (const Tensor& node : nodes) {
      std::vector<Tensor>& sources = found[node];
      for (const Tensor& source : edges.at(node))
        if (group.count(source) != 0) sources.push_back(source);
    }
    return found;
  }

  Sequence arrange(const std::vector<Tensor>& nodes, const Components::Edges& edges, bool tie) {
    Sequence sequence;
    const Components::Edges all = tie ? tied(nodes, edges) : edges;
    for (std::vector<Tensor>& component : Components(nodes, all).take()) {
      const std::vector<Tensor>& sources = all.at(component[0]);
      const bool alone = component.size() == 1 &&
                         std::find(sources.begin(), sources.end(), component[0]) == sources.end();
      if (alone) {
        sequence.push_back({component[0]});
        continue;
      }
      std::sort(component.begin(), component.end(),
                [&](const Tensor& a, const Tensor& b) { return order_.at(a) < order_.at(b); });
      if (std::optional<SequenceLoop> loop = take_apart(component)) {
        sequence.push_back({std::move(*loop)});
      } else if (tie) {  // something between the condition and what it holds reads all iterations
        for (SequenceStep& step : arrange(component, among(component, edges), false))
          sequence.push_back(std::move(step));
      } else {
        fail(component);
      }
    }
    return sequence;
  }

  // A cycle as a loop over the dim of one of its carried tensors.
  std::optional<SequenceLoop> take_apart(const std::vector<Tensor>& cycle) {
    for (const Tensor& carried : cycle) {
      if (carried.role() != Role::carried) continue;
      const std::optional<Components::Edges> within =
          within_iteration(cycle, carried.over(), carried.descending());
      if (within)
        return SequenceLoop{carried.over(), carried.descending(), arrange(cycle, *within, true)};
    }
    return std::nullopt;
  }

  [[noreturn]] static void fail(const std::vector<Tensor>& cycle) {
    throw UserError(cycle[0].where(),
                    "`" + cycle[0].name() +
                        "` is computed from itself; a loop may read only what earlier iterations "
                        "gave, at a fixed distance, as in h[t: t - 1 pad 0]");
  }

  // The dependences of a cycle that remain within one iteration.
  std::optional<Components::Edges> within_iteration(const std::vector<Tensor>& cycle,
                                                    const Dim& over, bool descending) const {
    const std::set<Tensor> group(cycle.begin(), cycle.end());
    Components::Edges edges;
    for (const Tensor& tensor : cycle) {
      if (!contains(tensor.dims(), over)) return std::nullopt;
      std::vector<Tensor>& sources = edges[tensor];
      const bool carried_here = tensor.role() == Role::carried && tensor.over() == over;
      if (carried_here) {
        if (tensor.descending() != descending) return std::nullopt;
        for (const Tensor& read : tensors_read(tensor.value()))
          if (group.count(read) != 0) return std::nullopt;
        continue;
      }
      const auto found = dependences(tensor.value(), group, over, descending);
      if (!found) return std::nullopt;
      for (const Dependence& each : *found)
        if (each.distance == 0) sources.push_back(each.source);
      if (tensor.role() == Role::carried) {
        const Tensor& next = program_.update_of(tensor)->value;
        if (group.count(next) != 0) sources.push_back(next);
      }
    }
    return edges;
  }

  const Program& program_;
  const std::map<Tensor, std::vector<Tensor>> held_;
  std::map<Tensor, size_t> order_;
};

void collect(const Sequence& sequence, const Dims& around, std::map<Tensor, Dims>& found) {
  for (const SequenceStep& step : sequence) {
    if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
      Dims deeper = around;
      deeper.push_back(loop->over);
      collect(loop->body, deeper, found);
    } else if (!around.empty()) {
      found.emplace(std::get<Tensor>(step.what), around);
    }
  }
}

void collect(const Sequence& sequence, std::vector<Tensor>& found) {
  for (const SequenceStep& step : sequence) {
    if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
      collect(loop->body, found);
    } else {
      found.push_back(std::get<Tensor>(step.what));
    }
  }
}

}  // namespace

Sequence sequence_of(const Program& program) {
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() == Role::carried && program.update_of(tensor) == nullptr)
      throw UserError(tensor.where(), "`" + tensor.name() + "` is carried over `" +
                                          tensor.over().name() +
                                          "` and nothing says what it holds after an iteration; "
                                          "write update " +
                                          tensor.name() + " = …");
  return Sequencer(program).run();
}

std::map<Tensor, Dims> loops_around(const Sequence& sequence) {
  std::map<Tensor, Dims> found;
  collect(sequence, {}, found);
  return found;
}

std::vector<Tensor> computed_tensors(const Program& program) {
  std::vector<Tensor> found;
  for (const Tensor& tensor : program.tensors())
    if (is_computed(tensor)) found.push_back(tensor);
  return found;
}

std::vector<Tensor> tensors_of(const Sequence& sequence) {
  std::vector<Tensor> found;
  collect(sequence, found);
  return found;
}

}  // namespace tessera
