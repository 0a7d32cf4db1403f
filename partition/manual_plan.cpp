#include "partition/manual_plan.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "partition/demands.h"
#include "partition/reshard.h"
#include "partition/scopes.h"

namespace tessera {
namespace {

std::string why(const Pin& pin) {
  return "pin " + pin.tensor + "[" + pin.dim + ": " + pin.axis + "]";
}

class Propagation {
 public:
  Propagation(const Program& program, const Mesh& mesh, std::vector<Pin> pins)
      : program_(program),
        scopes_(program),
        mesh_(mesh),
        pins_(std::move(pins)),
        resharder_(mesh_, cost_) {}

  Plan run() {
    Plan plan{program_.name(), mesh_, {}, {}, {}, {}, {}, {}};
    for (const Tensor& tensor : program_.tensors())
      if (tensor.role() != Role::definition && tensor.role() != Role::carried)
        plan.stored.push_back(keep(tensor, replicated(tensor)));
    for (const Tensor& tensor : tensors_of(scopes_.sequence())) {
      if (tensor.role() == Role::carried) {
        plan.stored.push_back(keep(tensor, as_initial(tensor)));
      } else {
        nests_.emplace_back(nest_of(tensor), scopes_.dims(scopes_.of(tensor)));
        plan.nests.push_back(decide(nests_.back()));
      }
    }
    for (const Output& output : program_.outputs())
      plan.outputs.push_back(
          {output.name, names(output.value.dims()), replicated(output.value), {}});
    choose_held(program_, scopes_, nests_, cost_, plan);
    return plan;
  }

 private:
  // As pins say, and else as `otherwise`.
  StorageDecision keep(const Tensor& tensor, const Sharding& otherwise) {
    StorageDecision storage{tensor.name(), names(tensor.dims()), replicated(tensor), {}};
    bool pinned = false;
    for (const Pin& pin : pins_) {
      if (pin.tensor != tensor.name()) continue;
      apply(pin, storage);
      pinned = true;
    }
    if (!pinned) storage.stored = otherwise;
    held_[tensor] = storage.stored;
    return storage;
  }

  // What a loop carries lies as its first value does, if that is whole.
  Sharding as_initial(const Tensor& carried) const {
    const Tensor initial = as<Read>(carried.value())->tensor;
    const Sharding& held = held_.at(initial);
    Sharding sharding = replicated(carried);
    for (size_t i = 0; i < held.split.size(); ++i)
      sharding.split[static_cast<size_t>(position(carried.dims(), initial.dims()[i]))] =
          held.split[i];
    return sharding;
  }

  void apply(const Pin& pin, StorageDecision& storage) const {
    const auto at = std::find(storage.dims.begin(), storage.dims.end(), pin.dim);
    Axes& split = storage.stored.split[static_cast<size_t>(at - storage.dims.begin())];
    const int axis = mesh_.find(pin.axis);
    if (std::find(split.begin(), split.end(), axis) == split.end()) split.push_back(axis);
    std::sort(split.begin(), split.end());
    storage.chosen = {ChosenBy::user, why(pin), pin.where};
  }

  NestDecision decide(const NestRules& rules) {
    const Nest& nest = rules.nest();
    NestDecision decision{nest.out.name(), unassigned(mesh_), {}};
    for (int axis = 0; axis < mesh_.count(); ++axis) {
      Choice& choice = decision.assignment.axes[static_cast<size_t>(axis)];
      const Pin* pin = pin_on(nest, axis);
      if (pin == nullptr) {
        choice = cheapest(rules, decision.assignment, axis);
        continue;
      }
      const Dims& dims = nest.out.dims();
      const auto dim = std::find_if(dims.begin(), dims.end(),
                                    [&](const Dim& one) { return one.name() == pin->dim; });
      choice = {Choice::Kind::loop, loop_label(nest, *dim), {}};
      decision.chosen = {ChosenBy::user, why(*pin), pin->where};
    }
    held_[nest.out] = rules.result_sharding(decision.assignment);
    return decision;
  }

  const Pin* pin_on(const Nest& nest, int axis) const {
    for (const Pin& pin : pins_)
      if (pin.tensor == nest.out.name() && pin.axis == mesh_.name(axis)) return &pin;
    return nullptr;
  }

  // The sharding along one axis alone.
  static Sharding only(const Sharding& sharding, int axis) {
    Sharding result = sharding;
    const auto other = [axis](int one) { return one != axis; };
    for (Axes& axes : result.split) std::erase_if(axes, other);
    std::erase_if(result.partial, other);
    return result;
  }

  // Bytes to bring the operands to where the choice wants them, seen along one axis. A partial one
  // is taken to be reduced whole, unless it stays partial.
  int64_t bytes_for(const NestRules& rules, const Assignment& assignment, int axis) {
    int64_t bytes = 0;
    for (size_t k = 0; k < rules.operands().size(); ++k) {
      const Tensor& tensor = rules.operand_tensor(k);
      const TensorShape shape = shape_of(tensor);
      const Sharding held = only(held_.at(tensor), axis);
      const Sharding wanted = only(rules.operand_sharding(k, assignment), axis);
      const bool whole = !held.partial.empty() && wanted.partial.empty();
      bytes += resharder_.path(shape, held, whole ? replicated(tensor) : wanted).bytes;
    }
    return bytes;
  }

  bool may_pass(const NestRules& rules, const Choice& choice, int axis) const {
    for (size_t k = 0; k < rules.operands().size(); ++k) {
      const Tensor& tensor = rules.operand_tensor(k);
      const bool named = std::find(choice.tensors.begin(), choice.tensors.end(), tensor.name()) !=
                         choice.tensors.end();
      if (named && only(held_.at(tensor), axis).partial.empty()) return false;
    }
    return true;
  }

  // Fewest bytes; then a result that needs no reduction; then the first that splits anything.
  // Without an operand that is split, the nest stays whole or lets partial ones pass.
  Choice cheapest(const NestRules& rules, Assignment assignment, int axis) {
    bool split = false;
    for (size_t k = 0; k < rules.operands().size(); ++k) {
      const Sharding held = only(held_.at(rules.operand_tensor(k)), axis);
      split = split || (uses(held, axis) && held.partial.empty());
    }
    Choice best;
    std::tuple<int64_t, bool, bool> least{};
    for (const Choice& choice : rules.choices()) {
      const bool none = choice.kind == Choice::Kind::none;
      const bool pass = choice.kind == Choice::Kind::pass;
      if (pass ? !may_pass(rules, choice, axis) : !none && !split) continue;
      assignment.axes[static_cast<size_t>(axis)] = choice;
      const bool partial = !only(rules.result_sharding(assignment), axis).partial.empty();
      const std::tuple<int64_t, bool, bool> price{bytes_for(rules, assignment, axis), partial,
                                                  none};
      if (none || price < least) {
        least = price;
        best = choice;
      }
    }
    return best;
  }

  const Program& program_;
  const Scopes scopes_;
  const Mesh& mesh_;
  const std::vector<Pin> pins_;
  const LinearCommCost cost_;
  Resharder resharder_;
  std::vector<NestRules> nests_;
  std::map<Tensor, Sharding> held_;
};

}  // namespace

Plan default_plan(const Program& program, const Mesh& mesh) {
  Plan plan{program.name(), mesh, {}, {}, {}, {}, {}, {}};
  for (const Tensor& tensor : program.tensors()) {
    if (tensor.role() == Role::definition)
      plan.nests.push_back({tensor.name(), unassigned(mesh), {}});
    else
      plan.stored.push_back({tensor.name(), names(tensor.dims()), replicated(tensor), {}});
  }
  for (const Output& output : program.outputs())
    plan.outputs.push_back({output.name, names(output.value.dims()), replicated(output.value), {}});
  return plan;
}

Plan manual_plan(const Program& program, const Mesh& mesh, const std::vector<Pin>& pins) {
  std::vector<Pin> all = program.pins();
  all.insert(all.end(), pins.begin(), pins.end());
  verify_pins(all, program, mesh);
  std::erase_if(all, [&mesh](const Pin& pin) { return mesh.find(pin.axis) < 0; });
  return Propagation(program, mesh, std::move(all)).run();
}

}  // namespace tessera
