#include "partition/lower.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "partition/halo.h"
#include "partition/local_nest.h"

namespace tessera {
namespace {

// One form in which a tensor exists on this rank.
struct Version {
  Sharding sharding;
  Part part;
  int ready = -1;                   // the nest after which it exists; -1: from the start
  std::vector<HaloWindow> windows;  // dims of which it holds a window instead of the block
};

// A step with its place: after nest `after` of the program, in order of making.
struct Placed {
  Step step;
  int after;
};

class Lowering {
 public:
  Lowering(const Program& program, const Plan& plan, int rank, const LowerOptions& options)
      : program_(program),
        plan_(plan),
        options_(options),
        cost_(options.cost != nullptr ? *options.cost : default_cost_),
        dims_(plan.mesh, rank),
        resharder_(plan.mesh, cost_) {
    result_.name = program.name();
    result_.mesh = plan.mesh;
    result_.rank = rank;
  }

  ShardedProgram run() {
    for (const Tensor& tensor : program_.tensors())
      if (tensor.role() != Role::definition) add_border(tensor);
    const std::vector<Nest> nests = nests_of(program_);
    count_ = static_cast<int>(nests.size());
    std::vector<ComputeStep> computed;
    for (const Nest& nest : nests)
      computed.push_back(lower_nest(nest, static_cast<int>(computed.size())));
    for (const Update& update : program_.updates()) lower_update(update);
    for (const Output& output : program_.outputs()) lower_output(output);
    arrange(computed);
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
    const Version version{sharding, {local, box_of(tensor, sharding)}, -1, {}};
    versions_[tensor].push_back(version);
    (tensor.role() == Role::input ? result_.inputs : result_.stored)
        .push_back(border(tensor.name(), tensor, version));
  }

  ComputeStep lower_nest(const Nest& nest, int position) {
    const NestRules rules(nest);
    const Assignment& assignment = plan_.nest(nest.out.name()).assignment;
    std::vector<Part> parts;
    for (size_t k = 0; k < rules.operands().size(); ++k)
      parts.push_back(obtain_operand(rules, k, assignment, position).part);
    const Nest local = local_nest(rules, assignment, parts, dims_);
    const Sharding sharding = canonical(rules.result_sharding(assignment));
    versions_[nest.out].push_back(
        {sharding, {local.out, box_of(nest.out, sharding)}, position, {}});
    return {local, nest.out.name()};
  }

  // As operand_sharding asks, or by windows where that moves less.
  Version obtain_operand(const NestRules& rules, size_t k, const Assignment& assignment, int user) {
    const Tensor& tensor = rules.operand_tensor(k);
    bool guarded = false;
    for (size_t i = 0; i < tensor.dims().size(); ++i)
      guarded = guarded || rules.guarded(k, i, assignment);
    const Sharding wanted = canonical(rules.operand_sharding(k, assignment));
    const std::optional<HaloDemand> halo = halo_demand(rules, k, assignment, plan_.mesh);
    if (!halo) return obtain(tensor, wanted, user, !guarded);
    for (const Version& version : versions_.at(tensor))
      if (version.sharding == halo->base && version.windows == halo->windows) return version;
    const double by_windows = nearest(tensor, halo->base).path->seconds +
                              halo_seconds(shape_of(tensor), *halo, plan_.mesh, cost_);
    if (nearest(tensor, wanted).path->seconds <= by_windows)
      return obtain(tensor, wanted, user, !guarded);
    Version version = obtain(tensor, halo->base, user, false);
    for (const HaloWindow& window : halo->windows) version = widened(tensor, version, window);
    versions_.at(tensor).push_back(version);
    return version;
  }

  // The version with one dim widened, or moved, to this rank's window.
  Version widened(const Tensor& tensor, const Version& from, const HaloWindow& window) {
    const Mesh& mesh = plan_.mesh;
    const auto dim = static_cast<size_t>(window.dim);
    CommStep step = unfilled(CommKind::halo, window.axes, from.part.local, tensor);
    const Interval mine = window.members[static_cast<size_t>(step.me)];
    const Interval owned{from.part.box.begin[dim], from.part.box.end[dim]};
    const auto within = [](const Interval& range, const Interval& whole) {
      const int64_t begin = std::clamp(range.begin, whole.begin, whole.end);
      const int64_t end = std::clamp(range.end, whole.begin, whole.end);
      return Interval{begin - whole.begin, end - whole.begin};
    };
    step.gather_dim = step.scatter_dim = window.dim;
    int64_t received = 0;
    int64_t sent = 0;
    for (size_t m = 0; m < step.group.size(); ++m) {
      const Interval theirs = block(tensor.dims()[dim].extent(), window.axes, mesh, step.group[m]);
      step.gather_blocks.push_back(within(theirs, mine));
      step.scatter_blocks.push_back(within(window.members[m], owned));
      if (static_cast<int>(m) == step.me) continue;
      received += step.gather_blocks.back().size();
      sent += step.scatter_blocks.back().size();
    }
    Version version = from;
    version.windows.push_back(window);
    version.part.box.begin[dim] = mine.begin;
    version.part.box.end[dim] = mine.end;
    Dims local = from.part.local.dims();
    local[dim] = Dim(local[dim].name() + ".halo", mine.size(), tensor.dims()[dim].where());
    step.output =
        make_tensor(fresh(tensor.name()), local, tensor.type(), Role::input, {}, tensor.where());
    int64_t row = static_cast<int64_t>(size_of(tensor.type()));
    for (size_t i = 0; i < local.size(); ++i)
      if (i != dim) row *= local[i].extent();
    step.bytes = std::max(received, sent) * row;
    version.part.local = step.output;
    conversions_.push_back({step, from.ready});
    return version;
  }

  void lower_update(const Update& update) {
    const Version& target = versions_.at(update.target).front();
    Sharding wanted = replicated(update.value);
    for (size_t i = 0; i < wanted.split.size(); ++i)
      wanted.split[i] =
          target.sharding
              .split[static_cast<size_t>(position(update.target.dims(), update.value.dims()[i]))];
    const Version value = obtain(update.value, wanted, count_, false);
    Tensor local = value.part.local;
    if (local.dims() != target.part.local.dims()) local = reordered(value, target.part.local);
    result_.updates.push_back({target.part.local, local});
  }

  // The same elements with the dims in the order of `like`.
  Tensor reordered(const Version& version, const Tensor& like) {
    const Expr value = make_read(version.part.local, like.where());
    const Nest nest =
        nest_of(make_definition(fresh(like.name()), value, like.where(), like.dims()));
    conversions_.push_back({ComputeStep{nest, like.name()}, version.ready});
    return nest.out;
  }

  void lower_output(const Output& output) {
    const Sharding wanted = canonical(plan_.output(output.name).stored);
    Border made = border(output.name, output.value, obtain(output.value, wanted, count_, false));
    made.order = output.order;
    result_.outputs.push_back(made);
  }

  struct Route {
    size_t start = 0;  // a version
    const ReshardPath* path = nullptr;
  };

  // The shortest way from any version to `wanted`.
  Route nearest(const Tensor& tensor, const Sharding& wanted) {
    const std::vector<Version>& known = versions_.at(tensor);
    Route best;
    for (size_t i = 0; i < known.size(); ++i) {
      if (!known[i].windows.empty()) continue;
      const ReshardPath& path = resharder_.path(shape_of(tensor), known[i].sharding, wanted);
      if (best.path == nullptr || std::make_tuple(path.seconds, path.steps.size()) <
                                      std::make_tuple(best.path->seconds, best.path->steps.size()))
        best = {i, &path};
    }
    return best;
  }

  // The tensor as `wanted`. With `fold`, slices at the end of the way are left to the reader: the
  // version returned then covers more.
  Version obtain(const Tensor& tensor, const Sharding& wanted, int user, bool fold) {
    std::vector<Version>& known = versions_.at(tensor);
    const auto [start, best] = nearest(tensor, wanted);
    size_t count = best->steps.size();
    while (fold && count > 0 && best->steps[count - 1].kind == CommKind::slice) --count;
    Version version = known[start];
    for (size_t i = 0; i < count; ++i) {
      version = converted(tensor, version, best->steps[i], user);
      known.push_back(version);
    }
    return version;
  }

  Version converted(const Tensor& tensor, const Version& from, const ReshardStep& step, int user) {
    const Box box = box_of(tensor, step.after);
    const Dims local_dims = dims_.local(tensor.dims(), step.after);
    const bool grows = step.kind == CommKind::all_gather;
    const int after = grows ? std::max(from.ready, user - 1 - options_.prefetch) : from.ready;
    if (!communicates(step.kind)) {
      CopySpec spec{fresh(tensor.name()),        local_dims, box.begin,
                    step.kind == CommKind::mask, true,       step.after.op};
      spec.keep = plan_.mesh.position_in_group(dims_.rank(), step.axes) == 0;
      const Nest nest = copy_nest(from.part, spec);
      conversions_.push_back({ComputeStep{nest, tensor.name()}, after});
      return {step.after, {nest.out, box}, after, {}};
    }
    const Tensor output = make_tensor(fresh(tensor.name()), local_dims, tensor.type(), Role::input,
                                      {}, tensor.where());
    conversions_.push_back({collective(tensor, from, step, output), after});
    return {step.after, {output, box}, after, {}};
  }

  CommStep unfilled(CommKind kind, const Axes& axes, const Tensor& input,
                    const Tensor& origin) const {
    return {kind,
            axes,
            plan_.mesh.group(dims_.rank(), axes),
            plan_.mesh.position_in_group(dims_.rank(), axes),
            input,
            input,
            ReduceOp::sum,
            -1,
            -1,
            {},
            {},
            0,
            origin.name()};
  }

  CommStep collective(const Tensor& tensor, const Version& from, const ReshardStep& step,
                      const Tensor& output) const {
    CommStep made = unfilled(step.kind, step.axes, from.part.local, tensor);
    made.output = output;
    made.op = from.sharding.op;
    made.gather_dim = step.gather_dim;
    made.scatter_dim = step.scatter_dim;
    made.bytes = bytes_moved(shape_of(tensor), from.sharding, step, plan_.mesh, dims_.rank());
    if (step.gather_dim >= 0)
      made.gather_blocks = blocks(tensor, step.gather_dim, from.sharding, step.after, made.group);
    if (step.scatter_dim >= 0)
      made.scatter_blocks = blocks(tensor, step.scatter_dim, step.after, from.sharding, made.group);
    return made;
  }

  // Each member's range under `fine`, counted from the beginning of this rank's under `coarse`.
  std::vector<Interval> blocks(const Tensor& tensor, int at, const Sharding& fine,
                               const Sharding& coarse, const std::vector<int>& group) const {
    const auto dim = static_cast<size_t>(at);
    const int64_t extent = tensor.dims()[dim].extent();
    const int64_t origin = block(extent, coarse.split[dim], plan_.mesh, dims_.rank()).begin;
    std::vector<Interval> result;
    for (const int member : group) {
      const Interval range = block(extent, fine.split[dim], plan_.mesh, member);
      result.push_back({range.begin - origin, range.end - origin});
    }
    return result;
  }

  // No name of the language holds a dot.
  std::string fresh(const std::string& stem) {
    return stem + "." + std::to_string(++copies_[stem]);
  }

  void arrange(const std::vector<ComputeStep>& computed) {
    std::vector<std::vector<Step>> after(computed.size() + 1);
    for (Placed& placed : conversions_)
      after[static_cast<size_t>(placed.after + 1)].push_back(std::move(placed.step));
    for (size_t i = 0; i < after.size(); ++i) {
      if (i > 0) result_.steps.emplace_back(computed[i - 1]);
      for (Step& step : after[i]) result_.steps.push_back(std::move(step));
    }
  }

  const Program& program_;
  const Plan& plan_;
  const LowerOptions options_;
  const LinearCommCost default_cost_;
  const CommCost& cost_;
  LocalDims dims_;
  Resharder resharder_;
  int count_ = 0;
  std::map<Tensor, std::vector<Version>> versions_;
  std::vector<Placed> conversions_;
  std::map<std::string, int> copies_;
  ShardedProgram result_;
};

}  // namespace

ShardedProgram lower(const Program& program, const Plan& plan, int rank,
                     const LowerOptions& options) {
  TESSERA_CHECK(is_normal(program)) << "`" << program.name() << "` is not in normal form";
  ShardedProgram result = Lowering(program, plan, rank, options).run();
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
