#include "runtime/executable.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ir/array_box.h"
#include "partition/simulate.h"
#include "runtime/device/host_device.h"
#include "runtime/locate_fault.h"
#include "runtime/memory_check.h"

namespace tessera {
namespace {

// The same elements with the dims in another order.
Array reorder(const Array& array, const Dims& from, const Dims& to) {
  if (from == to) return array;
  const Tensor named = make_tensor("", from, array.type, Role::input);
  return evaluate(make_read(named), to, [&](const Tensor&) -> const Array& { return array; });
}

void require_shape(const Array& array, DType type, const std::vector<int64_t>& wanted,
                   const std::string& what) {
  if (array.type != type || array.shape != wanted)
    throw UserError(what + " was given " + describe(array) + "; it takes " +
                    describe(Array{type, wanted, {}}));
  if (array.data.size() != array.size() * size_of(type))
    throw UserError(what + " was given " + describe(array) + " with " +
                    std::to_string(array.data.size()) + " bytes of data; it takes " +
                    std::to_string(array.size() * size_of(type)) +
                    " (make_array makes an array of the right size)");
}

// Passes the program on if all ranks have the same, and the same plan.
const Program& agreed(const Program& program, const Plan& plan, Communicator& world) {
  TESSERA_CHECK(plan.mesh.ranks() == world.size())
      << "the plan is for " << plan.mesh.ranks() << " ranks, the world has " << world.size();
  require_agreement(world, [&] { return std::vector{statement_of(program), statement_of(plan)}; });
  return program;
}

ShardedProgram lower_alike(const Program& program, const Plan& plan, Communicator& world,
                           const CommCost* cost) {
  ShardedProgram made = lower(program, plan, world.rank(), LowerOptions{.cost = cost});
  require_agreement(world, [&] {
    return std::vector{RankStatement{"the collectives", agreement_text(made)}};
  });
  return made;
}

Executor make_executor(const ShardedProgram& program, ComputeDevice& device, Communicator& world,
                       const ExecutableOptions& options) {
  TaskGraph graph = build_task_graph(
      program, [&](const auto& nests, const auto& needed) { return device.groups(nests, needed); });
  return {std::move(graph), device, world, ExecuteOptions{options.check_finite}};
}

}  // namespace

Executable::Executable(const Program& program, const Plan& plan, Compiler& compiler,
                       Communicator& world, const ExecutableOptions& options)
    : program_(agreed(program, plan, world)),
      plan_(plan),
      sharded_(lower_alike(program, plan, world, options.comm_cost)),
      world_(&world),
      given_(sharded_),
      device_(options.device ? options.device
                             : std::make_shared<HostDevice>(compiler, options.threads)),
      executor_(make_executor(sharded_, *device_, world, options)) {}

const Border& Executable::border(const std::vector<Border>& borders, const char* what,
                                 const std::string& name) const {
  std::vector<std::string> known;
  for (const Border& border : borders) {
    if (border.name == name) return border;
    known.push_back(border.name);
  }
  throw UserError("program `" + sharded_.name + "` has no " + what + " `" + name + "`; it has " +
                  (known.empty() ? "none" : join(known)) + did_you_mean(name, known));
}

void Executable::write(const Border& border, const Array& part) {
  executor_.write(border.local, part.data);
}

void Executable::initialize(uint64_t seed) {
  given_.seed(seed);
  compared_ = false;
  for (const Border& stored : sharded_.stored)
    write(stored, initial_values(program_, stored.global, seed, stored.box));
}

const Box& Executable::part_of(const std::string& input) const {
  return border(sharded_.inputs, "input", input).box;
}

void Executable::feed(const std::string& input, const Array& whole) {
  const Border& to = border(sharded_.inputs, "input", input);
  require_shape(whole, to.global.type(), extents(to.global.dims()), "input `" + input + "`");
  given_.whole(input, whole, tells_apart());
  write(to, cut(whole, to.box));
}

void Executable::feed_part(const std::string& input, const Array& part) {
  const Border& to = border(sharded_.inputs, "input", input);
  require_shape(part, to.global.type(), shape(to.box), "the part of input `" + input + "`");
  given_.part(input);
  write(to, part);
}

std::span<std::byte> Executable::input_place(const std::string& input) {
  const Border& to = border(sharded_.inputs, "input", input);
  given_.part(input);
  return {executor_.place_to_write(to.local),
          static_cast<size_t>(volume(to.box)) * size_of(to.global.type())};
}

// Whole arrays are hashed until the first step has compared them.
bool Executable::tells_apart() const {
  return world_->size() > 1 && !stepped_;
}

void Executable::run() {
  if (!compared_) require_agreement(*world_, [&] { return given_.statements(); });
  given_.require_all();
  compared_ = true;
  ran_ = false;
  try {
    executor_.run();
  } catch (const ReadOutside& error) {
    given_.lose_updated();
    throw ReadOutside(located(error.what()));
  } catch (...) {
    given_.lose_updated();
    throw;
  }
  ran_ = stepped_ = true;
}

// Together.
std::string Executable::located(const std::string& fault) {
  constexpr int64_t kMostBytes = 64 << 20;
  std::map<std::string, Array> arrays;
  return with_element(fault, program_, [&](const Tensor& tensor) -> const Array* {
    if (volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type())) > kMostBytes)
      return nullptr;
    const auto [it, fresh] = arrays.try_emplace(tensor.name());
    const bool input = tensor.role() == Role::input;
    if (fresh)
      it->second =
          gather(border(input ? sharded_.inputs : sharded_.stored, "tensor", tensor.name()));
    return &it->second;
  });
}

// Every box is contributed once, by the first rank that holds it, and pasted by all.
Array Executable::gather(const Border& border) {
  const bool split = !(border.sharding == replicated(border.global));
  const int64_t element = size_of(border.global.type());
  const int64_t whole_bytes = volume(border.global.dims()) * element;
  constexpr int64_t kLarge = 32 << 20;
  if (whole_bytes >= kLarge)
    require_memory_together(*world_, (split ? 2 * whole_bytes : 0) + volume(border.box) * element,
                            "collecting all of `" + border.name + "` on each rank");
  Array part = make_array(border.global.type(), shape(border.box));
  executor_.read(border.local, part.data);
  if (!split) return part;  // each rank holds it all
  const std::vector<int64_t> whole_shape = extents(border.global.dims());
  std::vector<Box> boxes;
  std::vector<size_t> counts;
  for (int rank = 0; rank < world_->size(); ++rank) {
    boxes.push_back(local_box(whole_shape, border.sharding, sharded_.mesh, rank));
    const bool repeated =
        std::find(boxes.begin(), boxes.end() - 1, boxes.back()) != boxes.end() - 1;
    counts.push_back(repeated ? 0 : static_cast<size_t>(volume(boxes.back())));
  }
  size_t total = 0;
  for (size_t count : counts) total += count;
  Array all = make_array(border.global.type(), {static_cast<int64_t>(total)});
  world_->set_context("collecting `" + border.name + "`");
  world_->all_gather(part.data.data(), all.data.data(), counts, border.global.type());
  Array whole = make_array(border.global.type(), whole_shape);
  size_t offset = 0;
  for (size_t rank = 0; rank < boxes.size(); ++rank) {
    if (counts[rank] == 0) continue;
    Array piece = make_array(whole.type, shape(boxes[rank]));
    std::memcpy(piece.data.data(), all.data.data() + offset, piece.data.size());
    offset += piece.data.size();
    paste(piece, boxes[rank], whole);
  }
  return whole;
}

Array Executable::output(const std::string& name) {
  const Border& from = border(sharded_.outputs, "output", name);
  if (!ran_)
    throw UserError("output `" + name + "` of program `" + sharded_.name +
                    "` is not there before the first step: call run() first");
  return reorder(gather(from), from.global.dims(), from.order);
}

Array Executable::value(const std::string& name) {
  const Border& from = border(sharded_.stored, "parameter or state", name);
  given_.require(name);
  return gather(from);
}

void Executable::set_value(const std::string& name, const Array& whole) {
  const Border& to = border(sharded_.stored, "parameter or state", name);
  require_shape(whole, to.global.type(), extents(to.global.dims()), "`" + name + "`");
  given_.whole(name, whole, tells_apart());
  write(to, cut(whole, to.box));
}

void Executable::set_part(const std::string& name, const Array& part, const std::string& source) {
  const Border& to = border(sharded_.stored, "parameter or state", name);
  require_shape(part, to.global.type(), shape(to.box), "the part of `" + name + "`");
  given_.stored_part(name, source);
  write(to, part);
}

Arrays Executable::values() {
  Arrays all;
  for (const Border& stored : sharded_.stored) all[stored.name] = value(stored.name);
  return all;
}

}  // namespace tessera
