#include "partition/lower.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "ir/loop_condition.h"
#include "partition/comm_steps.h"
#include "partition/turning.h"
#include "partition/wanted.h"

namespace tessera {
namespace {

// Who needs a tensor: nest `number`, or what runs before it, in a scope.
struct User {
  Scope scope;
  int number;
};

// The nests of a loop: from `begin` up to but without `end`.
struct Range {
  int begin;
  int end;
};

class Lowering {
 public:
  Lowering(const Program& program, const Plan& plan, int rank, const LowerOptions& options)
      : program_(program),
        plan_(plan),
        options_(options),
        cost_(options.cost != nullptr ? *options.cost : default_cost_),
        scopes_(program),
        dims_(plan.mesh, rank),
        comms_(plan.mesh, rank),
        resharder_(plan.mesh, cost_) {
    result_.name = program.name();
    result_.mesh = plan.mesh;
    result_.rank = rank;
    for (const NestDecision& nest : plan.nests) assignments_.emplace(nest.nest, &nest.assignment);
    for (const HeldDecision& held : plan.held)
      held_.emplace(std::make_pair(held.tensor, static_cast<size_t>(held.loops)), &held.form);
  }

  ShardedProgram run() {
    for (const Tensor& tensor : program_.tensors())
      if (tensor.role() != Role::definition && tensor.role() != Role::carried) add_border(tensor);
    lower_steps(scopes_.sequence(), {});
    for (const Update& update : program_.updates()) lower_update(update);
    for (const Output& output : program_.outputs()) lower_output(output);
    result_.steps = arrange(scopes_.sequence(), placed_);
    return std::move(result_);
  }

 private:
  Sharding canonical(const Sharding& sharding) const {
    return without_unit_axes(sharding, plan_.mesh);
  }

  Box box_of(const Tensor& tensor, const Sharding& sharding) const {
    return local_box(extents(tensor.dims()), sharding, plan_.mesh, dims_.rank());
  }

  Border border(const std::string& name, const Tensor& global, const Version& version) const {
    Border made{name, global,       version.part.local, version.sharding, version.part.box,
                true, global.dims()};
    const std::vector<int> at = plan_.mesh.coordinates(dims_.rank());
    for (int axis = 0; axis < plan_.mesh.count(); ++axis)
      if (!uses(version.sharding, axis) && at[static_cast<size_t>(axis)] != 0)
        made.first_copy = false;
    return made;
  }

  void add_border(const Tensor& tensor) {
    const Sharding sharding = canonical(plan_.storage(tensor.name()).stored);
    const Tensor local =
        make_tensor(tensor.name(), dims_.local(tensor.dims(), sharding), tensor.type(),
                    tensor.role(), tensor.initializer(), tensor.where());
    const Version version{sharding, {local, box_of(tensor, sharding)}, {}};
    made_.emplace(tensor, version);
    (tensor.role() == Role::input ? result_.inputs : result_.stored)
        .push_back(border(tensor.name(), tensor, version));
  }

  int count() const { return placed_.nests(); }

  void lower_steps(const Sequence& sequence, const Scope& scope) {
    for (const SequenceStep& step : sequence) {
      if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
        lower_loop(*loop, scope);
      } else if (const Tensor& tensor = std::get<Tensor>(step.what);
                 tensor.role() == Role::definition) {
        lower_nest(nest_of(tensor), scope);
      }
    }
  }

  // What is carried is kept between iterations as the plan says.
  void lower_loop(const SequenceLoop& loop, const Scope& around) {
    Scope scope = around;
    scope.push_back(static_cast<int>(ranges_.size()));
    const size_t number = ranges_.size();
    ranges_.push_back({count(), count()});
    placed_.carries.emplace_back();
    std::vector<Update> carried;
    for (const SequenceStep& step : loop.body) {
      const Tensor* tensor = std::get_if<Tensor>(&step.what);
      if (tensor != nullptr && tensor->role() == Role::carried)
        carried.push_back(*program_.update_of(*tensor));
    }
    for (const Update& carry : carried) begin_carry(carry.target, scope, placed_.carries[number]);
    lower_steps(loop.body, scope);
    ranges_[number].end = count();
    for (size_t i = 0; i < carried.size(); ++i)
      end_carry(carried[i], scope, placed_.carries[number][i]);
    const std::optional<Tensor> condition = condition_of(program_, loop);
    if (condition && scopes_.of(*condition) == scope)
      placed_.conditions.emplace(scope.back(), does_hold_somewhere(*condition, scope));
  }

  // One bool for each iteration, the same on all ranks.
  Tensor does_hold_somewhere(const Tensor& condition, const Scope& scope) {
    const StepPlace end{scope, count() - 1};
    const Version& version = made_.at(condition);
    const Dims loops = scopes_.dims(scope);
    Tensor local = version.part.local;
    if (const Dims inner = subtract(local.dims(), loops); !inner.empty()) {
      const Expr any = make_reduce(Reduction::any, inner, make_read(local), condition.where());
      local = make_definition(fresh(condition.name()), any, condition.where(), loops);
      placed_.add(end, ComputeStep{nest_of(local), condition.name()});
    }
    Sharding partial = replicated(loops.size());
    for (const Axes& axes : version.sharding.split)
      partial.partial.insert(partial.partial.end(), axes.begin(), axes.end());
    if (partial.partial.empty()) return local;
    std::sort(partial.partial.begin(), partial.partial.end());
    CommStep comm = comms_.unfilled(CommKind::all_reduce, partial.partial, local, condition);
    comm.op = ReduceOp::any;
    comm.output = make_tensor(fresh(condition.name()), loops, local.type(), Role::input, {},
                              condition.where());
    ReshardStep step;
    step.kind = CommKind::all_reduce;
    step.axes = comm.axes;
    comm.bytes =
        bytes_moved({{}, local.type()}, within(partial, scope), step, plan_.mesh, dims_.rank());
    placed_.add(end, comm);
    return comm.output;
  }

  void begin_carry(const Tensor& carried, const Scope& scope, std::vector<Carry>& carries) {
    const Sharding sharding = canonical(plan_.storage(carried.name()).stored);
    const Tensor local = make_tensor(carried.name(), dims_.local(carried.dims(), sharding),
                                     carried.type(), Role::input, {}, carried.where());
    made_.emplace(carried,
                  Version{sharding, {local, box_of(carried, sharding)}, {scope, count() - 1}});
    const Tensor initial = as<Read>(carried.value())->tensor;
    Sharding wanted = replicated(initial);
    for (size_t i = 0; i < wanted.split.size(); ++i)
      wanted.split[i] =
          sharding.split[static_cast<size_t>(position(carried.dims(), initial.dims()[i]))];
    const Version first = obtain(initial, wanted, {scope, count()}, false);
    carries.push_back({local, first.part.local, local});
  }

  // `next` must be made by the loop, and for this one alone.
  void end_carry(const Update& update, const Scope& scope, Carry& carry) {
    const Sharding& wanted = made_.at(update.target).sharding;
    const Version version = obtain(update.value, wanted, {scope, count()}, false);
    carry.next = version.part.local;
    const Scope& home = scopes_.of(update.value);
    const bool inside = common(home, scope) == scope;
    if (inside && claimed_.insert(carry.next).second) return;
    const CopySpec spec{fresh(update.value.name()), version.part.local.dims(),
                        version.part.box.begin};
    const Nest copy = copy_nest(version.part, spec);
    placed_.add({scope, count() - 1}, ComputeStep{copy, update.value.name()});
    carry.next = copy.out;
  }

  void lower_nest(const Nest& nest, const Scope& scope) {
    const NestRules rules(nest, scopes_.dims(scope));
    const Assignment& assignment = *assignments_.at(nest.out.name());
    const User user{scope, count()};
    WantedByNest needs;
    for (size_t k = 0; k < rules.operands().size(); ++k) needs.add(wanted_of(rules, k, assignment));
    std::vector<Part> parts;
    for (const size_t w : needs.of_operand) {
      Wanted& wanted = needs.wanted[w];
      if (!wanted.part) wanted.part = obtain_operand(wanted, user).part;
      parts.push_back(*wanted.part);
    }
    const Nest local = rules.turning(assignment) ? turned(rules, assignment, needs, user)
                                                 : local_nest(rules, assignment, parts, dims_);
    const Sharding sharding = canonical(rules.result_sharding(assignment));
    made_.emplace(nest.out,
                  Version{sharding, {local.out, box_of(nest.out, sharding)}, {scope, count()}});
    placed_.computed.push_back({local, nest.out.name()});
    homes_.push_back(scope);
  }

  // The last of the steps in which a reduced loop turns; all others are placed before the nest.
  Nest turned(const NestRules& rules, const Assignment& assignment, WantedByNest& needs,
              const User& user) {
    const TurningLoop turning(rules, assignment, plan_.mesh);
    const StepPlace place{user.scope, user.number - 1};
    const std::string& name = rules.nest().out.name();
    std::optional<Tensor> so_far;
    for (int t = 0; t < turning.count(); ++t) {
      std::set<size_t> moved;
      for (size_t k = 0; k < needs.of_operand.size(); ++k) {
        const int axis = rules.turning_axis(k, assignment);
        if (axis < 0 || plan_.mesh.size(axis) == 1 || !moved.insert(needs.of_operand[k]).second)
          continue;
        if (t == 0 && !turning.skews()) continue;
        Wanted& wanted = needs.wanted[needs.of_operand[k]];
        wanted.part = brought_around(wanted, rules, k, {turning, axis, t}, place);
      }
      std::vector<Part> parts;
      for (const size_t w : needs.of_operand) parts.push_back(*needs.wanted[w].part);
      const bool only = turning.count() == 1;
      const Turn turn{turning.loop(), turning.range(dims_.rank(), t), only ? name : fresh(name)};
      const Nest step = local_nest(rules, assignment, parts, dims_, turn);
      if (only) return step;
      placed_.add(place, ComputeStep{step, name});
      if (!so_far) {
        so_far = step.out;
        continue;
      }
      const bool last = t + 1 == turning.count();
      const Nest both =
          joined_turns(last ? name : fresh(name), *so_far, step.out, *rules.nest().op);
      if (last) return both;
      placed_.add(place, ComputeStep{both, name});
      so_far = both.out;
    }
    TESSERA_CHECK(false) << name << " has no turns";
    return rules.nest();
  }

  // An operand's block for turn `t`, from whoever has had it in the turn before.
  struct Around {
    const TurningLoop& turning;
    int axis;
    int t;
  };
  Part brought_around(const Wanted& wanted, const NestRules& rules, size_t operand,
                      const Around& around, const StepPlace& place) {
    const Tensor& tensor = wanted.tensor;
    const int at = around.turning.position_in(rules, operand);
    const auto dim = static_cast<size_t>(at);
    CommStep step = comms_.around(wanted.part->local, tensor, around.turning,
                                  {around.axis, around.t, wanted.part->box, at});
    const Interval mine = around.turning.range(dims_.rank(), around.t);
    Part part = *wanted.part;
    part.box.begin[dim] = mine.begin;
    part.box.end[dim] = mine.end;
    Dims local = part.local.dims();
    local[dim] =
        Dim(around.turning.loop().name() + ".turn", mine.size(), tensor.dims()[dim].where());
    step.output =
        make_tensor(fresh(tensor.name()), local, tensor.type(), Role::input, {}, tensor.where());
    step.bytes = piece_bytes(step, place.scope.size());
    part.local = step.output;
    placed_.add(place, step);
    return part;
  }

  Wanted wanted_of(const NestRules& rules, size_t k, const Assignment& assignment) const {
    const Tensor& tensor = rules.operand_tensor(k);
    Wanted wanted{tensor, canonical(rules.operand_sharding(k, assignment)),
                  halo_demand(rules, k, assignment, plan_.mesh), false, std::nullopt};
    wanted.whole = rules.turning_axis(k, assignment) >= 0;
    for (size_t i = 0; i < tensor.dims().size(); ++i)
      wanted.whole = wanted.whole || rules.guarded(k, i, assignment);
    return wanted;
  }

  // As the operand is wanted, or by windows where that moves less.
  Version obtain_operand(const Wanted& wanted, const User& user) {
    const Tensor& tensor = wanted.tensor;
    if (!wanted.halo) return obtain(tensor, wanted.sharding, user, !wanted.whole);
    const Scope scope = common(scopes_.of(tensor), user.scope);
    const double by_windows =
        path_to(tensor, wanted.halo->base, user).seconds +
        halo_seconds(shape_within(tensor, scope), within(*wanted.halo, scope), plan_.mesh, cost_);
    if (path_to(tensor, wanted.sharding, user).seconds <= by_windows)
      return obtain(tensor, wanted.sharding, user, !wanted.whole);
    Version version = obtain(tensor, wanted.halo->base, user, false);
    for (const HaloWindow& window : wanted.halo->windows)
      if (const auto kind = exchange_kind(
              window, tensor.dims()[static_cast<size_t>(window.dim)].extent(), plan_.mesh))
        version = widened(tensor, version, window, *kind, {scope, settled(version.made, scope)});
    return version;
  }

  // The version with one dim widened, or moved, to this rank's window.
  Version widened(const Tensor& tensor, const Version& from, const HaloWindow& window,
                  CommKind kind, const StepPlace& place) {
    const auto dim = static_cast<size_t>(window.dim);
    CommStep step = comms_.unfilled(kind, window.axes, from.part.local, tensor);
    step.gather_dim = step.scatter_dim = window.dim;
    HaloPieces pieces = pieces_of(window, tensor.dims()[dim].extent(), plan_.mesh, step.me);
    step.sends = std::move(pieces.sends);
    step.receives = std::move(pieces.receives);
    const Interval mine = window.members[static_cast<size_t>(step.me)];
    Version version = from;
    version.part.box.begin[dim] = mine.begin;
    version.part.box.end[dim] = mine.end;
    Dims local = from.part.local.dims();
    local[dim] = Dim(local[dim].name() + ".halo", mine.size(), tensor.dims()[dim].where());
    step.output =
        make_tensor(fresh(tensor.name()), local, tensor.type(), Role::input, {}, tensor.where());
    step.bytes = piece_bytes(step, place.scope.size());
    version.part.local = step.output;
    version.made = place;
    placed_.add(place, step);
    return version;
  }

  void lower_update(const Update& update) {
    const Version& target = made_.at(update.target);
    Sharding wanted = replicated(update.value);
    for (size_t i = 0; i < wanted.split.size(); ++i)
      wanted.split[i] =
          target.sharding
              .split[static_cast<size_t>(position(update.target.dims(), update.value.dims()[i]))];
    const Version value = obtain(update.value, wanted, {{}, count()}, false);
    Tensor local = value.part.local;
    if (local.dims() != target.part.local.dims()) local = reordered(value, target.part.local);
    result_.updates.push_back({target.part.local, local});
  }

  // The same elements with the dims in the order of `like`.
  Tensor reordered(const Version& version, const Tensor& like) {
    const Expr value = make_read(version.part.local, like.where());
    const Nest nest =
        nest_of(make_definition(fresh(like.name()), value, like.where(), like.dims()));
    placed_.add({{}, settled(version.made, {})}, ComputeStep{nest, like.name()});
    return nest.out;
  }

  void lower_output(const Output& output) {
    const Sharding wanted = canonical(plan_.output(output.name).stored);
    Border made =
        border(output.name, output.value, obtain(output.value, wanted, {{}, count()}, false));
    made.order = output.order;
    result_.outputs.push_back(made);
  }

  // The form in which the plan holds a tensor, made when it is first asked for.
  const Version& held(const Tensor& tensor, const User& user) {
    const Version& made = made_.at(tensor);
    const Scope scope = common(scopes_.of(tensor), user.scope);
    const auto decided = held_.find({tensor.name(), scope.size()});
    if (decided == held_.end()) return made;
    const auto it = brought_.find({tensor, scope.size()});
    if (it != brought_.end()) return it->second;
    const Version version = follow(tensor, made, canonical(*decided->second), user, false);
    return brought_.emplace(std::make_pair(tensor, scope.size()), version).first->second;
  }

  const ReshardPath& path(const Tensor& tensor, const Version& from, const Sharding& wanted,
                          const Scope& scope) {
    return resharder_.path(shape_within(tensor, scope), within(from.sharding, scope),
                           within(wanted, scope));
  }

  const ReshardPath& path_to(const Tensor& tensor, const Sharding& wanted, const User& user) {
    return path(tensor, held(tensor, user), wanted, common(scopes_.of(tensor), user.scope));
  }

  // The tensor as `wanted`. With `fold`, slices at the end of the way are left to the reader: the
  // version returned then covers more.
  Version obtain(const Tensor& tensor, const Sharding& wanted, const User& user, bool fold) {
    return follow(tensor, held(tensor, user), wanted, user, fold);
  }

  Version follow(const Tensor& tensor, Version version, const Sharding& wanted, const User& user,
                 bool fold) {
    const Scope scope = common(scopes_.of(tensor), user.scope);
    const std::vector<ReshardStep>& way = path(tensor, version, wanted, scope).steps;
    size_t steps = way.size();
    while (fold && steps > 0 && way[steps - 1].kind == CommKind::slice) --steps;
    for (size_t i = 0; i < steps; ++i) version = converted(tensor, version, way[i], scope, user);
    return version;
  }

  // The child of `scope` that holds what is in `inner`; -1 for `scope` itself.
  static int child(const Scope& scope, const Scope& inner) {
    return common(scope, inner) == scope && inner.size() > scope.size() ? inner[scope.size()] : -1;
  }

  // Where in `scope` something exists that was made at `place`: after the loop that made it.
  int settled(const StepPlace& place, const Scope& scope) const {
    const int loop = child(scope, place.scope);
    if (loop >= 0) return ranges_[static_cast<size_t>(loop)].end - 1;
    if (scope.empty()) return place.after;
    return std::max(place.after, ranges_[static_cast<size_t>(scope.back())].begin - 1);
  }

  // The last place in `scope` before the user.
  int latest(const Scope& scope, const User& user) const {
    const int loop = child(scope, user.scope);
    return (loop >= 0 ? ranges_[static_cast<size_t>(loop)].begin : user.number) - 1;
  }

  // `nests` before the last place before the user.
  int ahead(const Scope& scope, const User& user, int nests) const {
    const int wanted = std::max(latest(scope, user) - nests, -1);
    return settled({wanted < 0 ? Scope{} : homes_[static_cast<size_t>(wanted)], wanted}, scope);
  }

  Version converted(const Tensor& tensor, const Version& from, const ReshardStep& inner,
                    const Scope& scope, const User& user) {
    const ReshardStep step = outside(inner, scope);
    const Box box = box_of(tensor, step.after);
    const Dims local_dims = dims_.local(tensor.dims(), step.after);
    StepPlace place{scope, settled(from.made, scope)};
    if (step.kind == CommKind::all_gather)
      place.after = std::max(place.after, ahead(scope, user, options_.prefetch));
    if (!communicates(step.kind)) {
      CopySpec spec{fresh(tensor.name()),        local_dims, box.begin,
                    step.kind == CommKind::mask, true,       step.after.op};
      spec.keep = plan_.mesh.position_in_group(dims_.rank(), step.axes) == 0;
      const Nest nest = copy_nest(from.part, spec);
      placed_.add(place, ComputeStep{nest, tensor.name()});
      return {step.after, {nest.out, box}, place};
    }
    const Tensor output = make_tensor(fresh(tensor.name()), local_dims, tensor.type(), Role::input,
                                      {}, tensor.where());
    CommStep comm = comms_.resharding(tensor, from, step, output);
    comm.bytes = bytes_moved(shape_within(tensor, scope), within(from.sharding, scope), inner,
                             plan_.mesh, dims_.rank());
    placed_.add(place, comm);
    return {step.after, {output, box}, place};
  }

  std::string fresh(const std::string& stem) {
    std::string name;
    do name = stem + "." + std::to_string(++copies_[stem]);
    while (program_.find(name));
    return name;
  }

  const Program& program_;
  const Plan& plan_;
  const LowerOptions options_;
  const LinearCommCost default_cost_;
  const CommCost& cost_;
  const Scopes scopes_;
  LocalDims dims_;
  const CommSteps comms_;
  Resharder resharder_;
  PlacedSteps placed_;
  std::vector<Scope> homes_;   // by nest
  std::vector<Range> ranges_;  // by loop
  std::set<Tensor> claimed_;   // by carries
  std::unordered_map<std::string, const Assignment*> assignments_;
  std::map<std::pair<std::string, size_t>, const Sharding*> held_;  // as decided, by loops
  std::map<Tensor, Version> made_;
  std::map<std::pair<Tensor, size_t>, Version> brought_;  // to how they are held
  std::map<std::string, int> copies_;
  ShardedProgram result_;
};

}  // namespace

ShardedProgram lower(const Program& program, const Plan& plan, int rank,
                     const LowerOptions& options) {
  TESSERA_CHECK(is_normal(program)) << "`" << program.name() << "` is not in normal form";
  const auto lowered = [&](const Program& planned) {
    return Lowering(planned, plan, rank, options).run();
  };
  ShardedProgram result =
      plan.recomputed.empty() ? lowered(program) : lowered(planned_program(program, plan));
  verify(result);
  return result;
}

std::vector<ShardedProgram> lower_all(const Program& program, const Plan& plan,
                                      const LowerOptions& options) {
  std::vector<ShardedProgram> all;
  for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
    all.push_back(lower(program, plan, rank, options));
    check_same_structure(all.front(), all.back());
  }
  return all;
}

}  // namespace tessera
