#include "placement/nest_domain.h"

#include <algorithm>

#include "base/error.h"

namespace tessera {

bool pinned(const std::vector<Pin>& pins, const Tensor& tensor, const std::string& dim, int axis,
            const Mesh& mesh) {
  return std::any_of(pins.begin(), pins.end(), [&](const Pin& pin) {
    return pin.tensor == tensor.name() && pin.dim == dim && pin.axis == mesh.name(axis);
  });
}

bool honours_pins(const std::vector<Pin>& pins, const Tensor& tensor, const Sharding& sharding,
                  const Mesh& mesh) {
  for (const Pin& pin : pins) {
    if (pin.tensor != tensor.name()) continue;
    for (size_t d = 0; d < tensor.dims().size(); ++d) {
      if (tensor.dims()[d].name() != pin.dim) continue;
      const Axes& split = sharding.split[d];
      if (std::find(split.begin(), split.end(), mesh.find(pin.axis)) == split.end()) return false;
    }
  }
  return true;
}

Assignment assignment_of(const ProgramRules& rules, size_t nest, const std::vector<int>& choices) {
  Assignment assignment;
  for (const int choice : choices)
    assignment.axes.push_back(rules.choices[nest][static_cast<size_t>(choice)]);
  return assignment;
}

namespace {

class Maker {
 public:
  Maker(const DomainInputs& inputs, size_t nest_class)
      : in_(inputs),
        class_(inputs.rules.classes.classes[nest_class]),
        rules_(inputs.rules.nests[class_.example]),
        loops_(rules_.nest().loops()),
        axes_(inputs.mesh.count()),
        result_forms_(rules_.nest().out.dims().size(), axes_) {
    for (size_t k = 0; k < rules_.operands().size(); ++k)
      operand_forms_.emplace_back(rules_.operand_tensor(k).dims().size(), axes_);
    for (const int tensor : class_.distinct_of)
      tensors_ = std::max(tensors_, static_cast<size_t>(tensor) + 1);
    const Tensor& out = rules_.nest().out;
    has_pins_ = std::any_of(in_.pins.begin(), in_.pins.end(),
                            [&](const Pin& pin) { return pin.tensor == out.name(); });
  }

  NestDomain run() {
    result_.demands.resize(tensors_);
    result_.forms.resize(tensors_);
    std::vector<int> at(static_cast<size_t>(axes_), 0);
    const int count = static_cast<int>(class_.result.size());
    for (;;) {
      if (!too_fine(at)) add(at);
      size_t axis = at.size();
      while (axis-- > 0 && ++at[axis] == count) at[axis] = 0;
      if (axis == SIZE_MAX) break;
    }
    return std::move(result_);
  }

 private:
  int64_t local(int64_t extent, const std::vector<int>& axes_of) const {
    for (const int axis : axes_of)
      extent = (extent + in_.mesh.size(axis) - 1) / in_.mesh.size(axis);
    return extent;
  }

  std::vector<int> axes_where(const std::vector<int>& at, const std::vector<int>& places,
                              int place) const {
    std::vector<int> axes;
    for (int axis = 0; axis < axes_; ++axis)
      if (places[static_cast<size_t>(at[static_cast<size_t>(axis)])] == place) axes.push_back(axis);
    return axes;
  }

  bool too_fine(const std::vector<int>& at) const {
    for (size_t l = 0; l < loops_.size(); ++l) {
      const std::vector<int> axes = axes_where(at, class_.loop, static_cast<int>(l));
      if (in_.mesh.group_size(axes) <= loops_[l].extent()) continue;
      const Tensor& out = rules_.nest().out;
      if (!std::all_of(axes.begin(), axes.end(), [&](int axis) {
            return pinned(in_.pins, out, loops_[l].name(), axis, in_.mesh);
          }))
        return true;
    }
    for (size_t k = 0; k < operand_forms_.size(); ++k)
      for (int axis = 0; axis < axes_; ++axis) {
        const int dim = class_.guarded[static_cast<size_t>(at[static_cast<size_t>(axis)])][k];
        if (dim < 0) continue;
        const int64_t extent = rules_.operand_tensor(k).dims()[static_cast<size_t>(dim)].extent();
        if (in_.mesh.group_size(axes_of_operand(at, k, dim)) > extent) return true;
      }
    return false;
  }

  int place(const std::vector<int>& at, size_t k, int axis) const {
    return class_.operands[static_cast<size_t>(at[static_cast<size_t>(axis)])][k];
  }

  std::vector<int> axes_of_operand(const std::vector<int>& at, size_t k, int dim) const {
    std::vector<int> axes;
    for (int axis = 0; axis < axes_; ++axis)
      if (place(at, k, axis) == dim) axes.push_back(axis);
    return axes;
  }

  static int digit(int place, const Forms& forms) {
    return place == kPartial ? forms.partial() : place + 1;
  }

  // As first_rank_extents has them.
  std::vector<int64_t> local_extents(const std::vector<int>& at) const {
    std::vector<int64_t> result;
    for (size_t l = 0; l < loops_.size(); ++l)
      result.push_back(local(loops_[l].extent(), axes_where(at, class_.loop, static_cast<int>(l))));
    for (size_t k = 0; k < operand_forms_.size(); ++k) {
      const Dims& dims = rules_.operand_tensor(k).dims();
      for (size_t d = 0; d < dims.size(); ++d)
        result.push_back(local(dims[d].extent(), axes_of_operand(at, k, static_cast<int>(d))));
    }
    return result;
  }

  void add(const std::vector<int>& at) {
    std::vector<int> digits;
    for (int axis = 0; axis < axes_; ++axis)
      digits.push_back(
          digit(class_.result[static_cast<size_t>(at[static_cast<size_t>(axis)])], result_forms_));
    const int form = result_forms_.of(digits);
    if (has_pins_ &&
        !honours_pins(in_.pins, rules_.nest().out, result_forms_.sharding(form), in_.mesh))
      return;
    std::vector<int64_t> key = {form};
    std::vector<std::vector<Demand>> demands(tensors_);
    std::vector<std::vector<int>> forms(tensors_);
    std::optional<Assignment> assignment;
    const auto assign = [&]() -> const Assignment& {
      if (!assignment) assignment = assignment_of(in_.rules, class_.example, at);
      return *assignment;
    };
    for (size_t k = 0; k < operand_forms_.size(); ++k) {
      digits.clear();
      for (int axis = 0; axis < axes_; ++axis)
        digits.push_back(digit(place(at, k, axis), operand_forms_[k]));
      const int needed = operand_forms_[k].of(digits);
      const auto tensor = static_cast<size_t>(class_.distinct_of[k]);
      key.push_back(needed);
      add_demand(demands[tensor], forms[tensor], k, needed, assign);
    }
    for (const std::vector<Demand>& list : demands)
      for (const Demand& demand : list)
        if (demand.halo) add_windows(*demand.halo, key);
    const double seconds = in_.kernels.of(in_.rules, class_.example, local_extents(at), in_.mesh,
                                          [&]() -> const Assignment& { return assign(); });
    const auto [it, fresh] = seen_.emplace(std::move(key), result_.size());
    if (!fresh) {
      if (seconds >= result_.seconds[it->second]) return;
      result_.choices[it->second] = at;
      result_.seconds[it->second] = seconds;
      return;
    }
    result_.choices.push_back(at);
    result_.seconds.push_back(seconds);
    result_.result.push_back(form);
    for (size_t t = 0; t < tensors_; ++t) {
      result_.demands[t].push_back(std::move(demands[t]));
      result_.forms[t].push_back(std::move(forms[t]));
    }
  }

  template <typename Assign>
  void add_demand(std::vector<Demand>& demands, std::vector<int>& forms, size_t k, int needed,
                  const Assign& assign) {
    if (!class_.may_halo[k]) {
      if (std::find(forms.begin(), forms.end(), needed) == forms.end()) forms.push_back(needed);
      return;
    }
    const Scope scope = common(in_.rules.scopes.of(rules_.operand_tensor(k)),
                               in_.rules.scopes.of(rules_.nest().out));
    Demand demand = demand_of(rules_, k, assign(), scope, in_.mesh, in_.cost);
    if (!demand.halo) {
      if (std::find(forms.begin(), forms.end(), needed) == forms.end()) forms.push_back(needed);
    } else if (std::find(demands.begin(), demands.end(), demand) == demands.end()) {
      demands.push_back(std::move(demand));
    }
  }

  static void add_windows(const HaloDemand& halo, std::vector<int64_t>& key) {
    for (const Axes& axes : halo.base.split) {
      key.push_back(-1);
      key.insert(key.end(), axes.begin(), axes.end());
    }
    for (const HaloWindow& window : halo.windows) {
      key.push_back(window.dim);
      for (const Interval& member : window.members) {
        key.push_back(member.begin);
        key.push_back(member.end);
      }
    }
  }

  const DomainInputs& in_;
  const NestClass& class_;
  const NestRules& rules_;
  const Dims loops_;
  const int axes_;
  const Forms result_forms_;
  std::vector<Forms> operand_forms_;
  size_t tensors_ = 0;
  bool has_pins_ = false;
  std::map<std::vector<int64_t>, size_t> seen_;
  NestDomain result_;
};

}  // namespace

NestDomain domain_of(const DomainInputs& inputs, size_t nest_class) {
  return Maker(inputs, nest_class).run();
}

}  // namespace tessera
