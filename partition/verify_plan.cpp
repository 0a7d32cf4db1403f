#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "partition/plan.h"
#include "partition/scopes.h"

namespace tessera {
namespace {

constexpr const char* kStored = "stored tensor";

class Verifier {
 public:
  Verifier(const Plan& plan, const Program& program, const std::string& file)
      : plan_(plan),
        program_(program),
        scopes_(program),
        prefix_(file.empty() ? "" : file + ": ") {}

  void run() {
    if (plan_.program != program_.name())
      fail("the plan is of program `" + plan_.program + "`, not of `" + program_.name() + "`");
    verify_pins(program_.pins(), program_, plan_.mesh);
    check_nests();
    std::vector<Tensor> kept;
    for (const Tensor& tensor : program_.tensors())
      if (tensor.role() != Role::definition) kept.push_back(tensor);
    std::map<std::string, Dims> wanted;
    for (const Tensor& tensor : kept) wanted.emplace(tensor.name(), tensor.dims());
    check_storages(plan_.stored, wanted, kStored);
    wanted.clear();
    for (const Output& output : program_.outputs())
      wanted.emplace(output.name, output.value.dims());
    check_storages(plan_.outputs, wanted, "output");
    check_held();
    if (plan_.mesh.ranks() == 1) return;
    for (const Pin& pin : program_.pins()) check_pin(pin);
  }

 private:
  [[noreturn]] void fail(const std::string& text) const {
    throw UserError(prefix_ + text + "; plan again, or mend the plan");
  }

  void check_nests() {
    std::map<std::string, Tensor> wanted;
    std::vector<std::string> known;
    for (const Tensor& tensor : program_.definitions()) {
      wanted.emplace(tensor.name(), tensor);
      known.push_back(tensor.name());
    }
    std::set<std::string> seen;
    for (const NestDecision& decision : plan_.nests) {
      const auto it = wanted.find(decision.nest);
      if (it == wanted.end())
        fail("the plan decides nest `" + decision.nest + "`, which the program does not have" +
             did_you_mean(decision.nest, known));
      if (!seen.insert(decision.nest).second)
        fail("the plan decides nest `" + decision.nest + "` twice");
      check_assignment(decision, it->second);
    }
    for (const std::string& name : known)
      if (seen.count(name) == 0) fail("the plan does not decide nest `" + name + "`");
  }

  void check_assignment(const NestDecision& decision, const Tensor& definition) {
    const Assignment& assignment = decision.assignment;
    if (assignment.axes.size() != plan_.mesh.axes.size())
      fail("nest `" + decision.nest + "` has " + std::to_string(assignment.axes.size()) +
           " choices for " + std::to_string(plan_.mesh.axes.size()) + " mesh axes");
    const NestRules rules(nest_of(definition), scopes_.dims(scopes_.of(definition)));
    for (size_t i = 0; i < assignment.axes.size(); ++i) {
      if (rules.legal(assignment.axes[i])) continue;
      std::vector<std::string> allowed;
      for (const Choice& choice : rules.choices()) allowed.push_back(describe(choice));
      fail("nest `" + decision.nest + "` cannot take `" + describe(assignment.axes[i]) +
           "` on axis `" + plan_.mesh.axes[i].name + "`; it can take: " + join(allowed, " | "));
    }
    check_turns(decision);
    Axes order = assignment.order;
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < order.size(); ++i)
      if (order[i] != static_cast<int>(i) || order.size() != plan_.mesh.axes.size())
        fail("nest `" + decision.nest + "`: `order` must name each mesh axis once");
    results_.emplace(decision.nest, rules.result_sharding(assignment));
  }

  void check_turns(const NestDecision& decision) {
    const Axes turning = NestRules::turning_axes(decision.assignment);
    if (turning.empty()) return;
    const Choice& first = decision.assignment.axes[static_cast<size_t>(turning[0])];
    for (const int axis : turning) {
      const Choice& choice = decision.assignment.axes[static_cast<size_t>(axis)];
      if (choice.turning != first.turning)
        fail("nest `" + decision.nest + "` turns `" + first.turning + "` and `" + choice.turning +
             "`; a nest turns one loop");
      if (plan_.mesh.size(axis) != plan_.mesh.size(turning[0]))
        fail("nest `" + decision.nest + "` turns `" + first.turning + "` on axes of " +
             std::to_string(plan_.mesh.size(turning[0])) + " and " +
             std::to_string(plan_.mesh.size(axis)) + " ranks; they must be of one size");
    }
  }

  void check_storages(const std::vector<StorageDecision>& list,
                      const std::map<std::string, Dims>& wanted, const std::string& what) {
    std::vector<std::string> known;
    for (const auto& [name, dims] : wanted) known.push_back(name);
    std::set<std::string> seen;
    for (const StorageDecision& storage : list) {
      const auto it = wanted.find(storage.tensor);
      if (it == wanted.end())
        fail("the plan keeps a " + what + " `" + storage.tensor +
             "`, which the program does not have" + did_you_mean(storage.tensor, known));
      if (!seen.insert(storage.tensor).second)
        fail("the plan keeps `" + storage.tensor + "` twice");
      if (storage.dims != names(it->second))
        fail(what + " `" + storage.tensor + "` has dims " + join(storage.dims) +
             " in the plan and " + tessera::describe(it->second) + " in the program");
      if (!well_formed(storage.stored, it->second.size(), plan_.mesh))
        fail(what + " `" + storage.tensor + "` uses a mesh axis twice");
      if (!storage.stored.partial.empty())
        fail(what + " `" + storage.tensor + "` is partial; what is kept must be whole");
      if (what == kStored) check_iterated(storage);
    }
    for (const std::string& name : known)
      if (seen.count(name) == 0)
        fail("the plan does not say how to keep " + what + " `" + name + "`");
  }

  void check_iterated(const StorageDecision& storage) {
    const Tensor tensor = program_.get(storage.tensor);
    const Dims loops = scopes_.dims(scopes_.of(tensor));
    for (size_t i = 0; i < loops.size(); ++i)
      if (!storage.stored.split[i].empty())
        fail("`" + storage.tensor + "` is split along `" + loops[i].name() +
             "`, which a loop iterates");
  }

  void check_held() {
    std::set<std::pair<std::string, int>> seen;
    for (const HeldDecision& held : plan_.held) {
      const std::optional<Tensor> tensor = program_.find(held.tensor);
      if (!tensor)
        fail("the plan holds a tensor `" + held.tensor + "`, which the program does not have");
      if (!seen.emplace(held.tensor, held.loops).second)
        fail("the plan holds `" + held.tensor + "` twice");
      if (held.dims != names(tensor->dims()))
        fail("held tensor `" + held.tensor + "` has dims " + join(held.dims) + " in the plan and " +
             tessera::describe(tensor->dims()) + " in the program");
      if (!well_formed(held.form, tensor->dims().size(), plan_.mesh))
        fail("held tensor `" + held.tensor + "` uses a mesh axis twice");
      const Dims loops = scopes_.dims(scopes_.of(*tensor));
      if (held.loops < 0 || held.loops > static_cast<int>(loops.size()))
        fail("held tensor `" + held.tensor + "` is converted in " + std::to_string(held.loops) +
             " loops, and " + std::to_string(loops.size()) + " are around it");
      for (size_t i = 0; i < static_cast<size_t>(held.loops); ++i)
        if (!held.form.split[i].empty())
          fail("held tensor `" + held.tensor + "` is split along `" + loops[i].name() +
               "`, which a loop iterates");
      const auto made = results_.find(held.tensor);
      for (const int axis : held.form.partial)
        if (made == results_.end() || made->second.op != held.form.op ||
            std::find(made->second.partial.begin(), made->second.partial.end(), axis) ==
                made->second.partial.end())
          fail("held tensor `" + held.tensor + "` is partial by " + name_of(held.form.op) +
               " over axis `" + plan_.mesh.name(axis) + "`, over which it is not made so");
    }
  }

  void check_pin(const Pin& pin) {
    const Tensor tensor = program_.get(pin.tensor, pin.where);
    const Sharding& sharding = tensor.role() == Role::definition ? results_.at(pin.tensor)
                                                                 : plan_.storage(pin.tensor).stored;
    const std::vector<std::string> dims = names(tensor.dims());
    const auto dim =
        static_cast<size_t>(std::find(dims.begin(), dims.end(), pin.dim) - dims.begin());
    const Axes& split = sharding.split[dim];
    if (std::find(split.begin(), split.end(), plan_.mesh.find(pin.axis)) == split.end())
      throw UserError(pin.where, "this pins `" + pin.tensor + "[" + pin.dim + ": " + pin.axis +
                                     "]`, but the plan has `" + pin.tensor +
                                     describe(sharding, tensor, plan_.mesh) +
                                     "`; plan again, or remove the pin");
  }

  const Plan& plan_;
  const Program& program_;
  const Scopes scopes_;
  std::string prefix_;
  std::map<std::string, Sharding> results_;
};

}  // namespace

void verify(const Plan& plan, const Program& program, const std::string& file) {
  if (plan.recomputed.empty()) return Verifier(plan, program, file).run();
  Verifier(plan, planned_program(program, plan), file).run();
}

void verify_pins(const std::vector<Pin>& pins, const Program& program, const Mesh& mesh) {
  if (pins.empty()) return;
  std::map<std::pair<std::string, std::string>, const Pin*> taken;
  const Scopes scopes(program);
  for (const Pin& pin : pins) {
    const Tensor tensor = program.get(pin.tensor, pin.where);
    const std::vector<std::string> dims = names(tensor.dims());
    if (std::find(dims.begin(), dims.end(), pin.dim) == dims.end())
      throw UserError(pin.where, "pin: `" + pin.tensor + "` has no dim `" + pin.dim + "`; it has " +
                                     describe(tensor.dims()) + did_you_mean(pin.dim, dims));
    if (mesh.find(pin.axis) < 0 && mesh.ranks() > 1)
      throw UserError(pin.where, "pin: the mesh has no axis `" + pin.axis + "`; it has " +
                                     (mesh.axes.empty() ? "none" : join(mesh.names())) +
                                     did_you_mean(pin.axis, mesh.names()));
    const Dims iterated = scopes.dims(scopes.of(tensor));
    const std::vector<std::string> loops = names(iterated);
    if (mesh.ranks() > 1 && std::find(loops.begin(), loops.end(), pin.dim) != loops.end())
      throw UserError(pin.where, "pin: a loop iterates dim `" + pin.dim + "` of `" + pin.tensor +
                                     "`, so no mesh axis can have it; pin " +
                                     describe(subtract(tensor.dims(), iterated)));
    const auto [it, fresh] = taken.emplace(std::make_pair(pin.tensor, pin.axis), &pin);
    if (!fresh && it->second->dim != pin.dim)
      throw UserError(pin.where, "pin: `" + pin.tensor + "` cannot have both `" + it->second->dim +
                                     "` and `" + pin.dim + "` on axis `" + pin.axis +
                                     "`; remove one pin");
  }
}

}  // namespace tessera
