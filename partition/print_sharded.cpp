#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "ir/print.h"
#include "partition/sharded_program.h"

namespace tessera {
namespace {

std::string outline(const Tensor& tensor) {
  return tensor.name() + "[" + join(names(tensor.dims())) + "]";
}

// "w1[0:784, 256:512]"
std::string region(const Border& border) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < border.box.begin.size(); ++i)
    parts.push_back(fmt::format("{}:{}", border.box.begin[i], border.box.end[i]));
  return border.global.name() + "[" + join(parts) + "]";
}

const char* role_text(const Border& border) {
  switch (border.global.role()) {
    case Role::input:
      return "input";
    case Role::parameter:
      return "param";
    default:
      return "state";
  }
}

std::string sizes(const std::vector<Interval>& blocks) {
  std::vector<std::string> parts;
  for (const Interval& range : blocks) parts.push_back(std::to_string(range.size()));
  return join(parts, "+");
}

// "1 from 0, 4 from 1": what comes from others.
std::string pieces_text(const CommStep& step) {
  std::vector<std::string> parts;
  for (const Piece& piece : step.receives)
    if (piece.member != step.me)
      parts.push_back(fmt::format("{} from {}", piece.range.size(),
                                  step.group[static_cast<size_t>(piece.member)]));
  return parts.empty() ? "nothing" : join(parts);
}

std::string text_of(const CommStep& step, const Mesh& mesh) {
  std::vector<std::string> ranks;
  for (const int rank : step.group) ranks.push_back(std::to_string(rank));
  std::string text = fmt::format("{} = {}", outline(step.output), name_of(step.kind));
  if (step.kind == CommKind::all_reduce || step.kind == CommKind::reduce_scatter)
    text += fmt::format("({})", name_of(step.op));
  text += fmt::format(" of {} over {} {{{}}}", outline(step.input), join(mesh.names(step.axes)),
                      join(ranks));
  if (has_pieces(step.kind))
    return text + fmt::format(", {} gets {}, {} B",
                              step.output.dims()[static_cast<size_t>(step.gather_dim)].name(),
                              pieces_text(step), step.bytes);
  if (step.gather_dim >= 0) {
    const Dim& dim = step.output.dims()[static_cast<size_t>(step.gather_dim)];
    text += fmt::format(", joins {} {}", dim.name(), sizes(step.gather_blocks));
  }
  if (step.scatter_dim >= 0) {
    const Dim& dim = step.input.dims()[static_cast<size_t>(step.scatter_dim)];
    text += fmt::format(", splits {} {}", dim.name(), sizes(step.scatter_blocks));
  }
  return text + fmt::format(", {} B", step.bytes);
}

void add_dims(const Dims& dims, std::set<Dim>& seen, std::string& text) {
  for (const Dim& dim : dims)
    if (seen.insert(dim).second) text += fmt::format("dim {} = {}\n", dim.name(), dim.extent());
}

std::string dims_text(const ShardedProgram& program) {
  std::string text;
  std::set<Dim> seen;
  for (const Border& border : program.inputs) add_dims(border.local.dims(), seen, text);
  for (const Border& border : program.stored) add_dims(border.local.dims(), seen, text);
  each_step(program.steps, [&](const Step& step, int64_t) {
    if (const ComputeStep* compute = std::get_if<ComputeStep>(&step))
      add_dims(compute->nest.loops(), seen, text);
    for (const Tensor& output : outputs_of(step)) add_dims(output.dims(), seen, text);
  });
  return text;
}

void add_steps(const std::vector<Step>& steps, const Mesh& mesh, const std::string& indent,
               std::string& text) {
  for (const Step& step : steps) {
    text += indent;
    if (const CommStep* comm = std::get_if<CommStep>(&step)) {
      text += text_of(*comm, mesh) + "\n";
    } else if (const ComputeStep* compute = std::get_if<ComputeStep>(&step)) {
      text += describe(compute->nest) + "\n";
    } else {
      const LoopStep& loop = std::get<LoopStep>(step);
      text += fmt::format("loop {} {} {}", loop.over.name(),
                          loop.descending ? "down from" : "up to", loop.over.extent() - 1);
      for (const Carry& carry : loop.carries)
        text += fmt::format("{} {} = {} then {}", &carry == &loop.carries.front() ? " carry" : ",",
                            outline(carry.carried), carry.initial.name(), carry.next.name());
      if (loop.while_holds) text += " while " + loop.while_holds->name();
      text += " {\n";
      add_steps(loop.body, mesh, indent + "  ", text);
      text += indent + "}\n";
    }
  }
}

}  // namespace

std::string print(const ShardedProgram& program) {
  std::vector<std::string> place;
  const std::vector<int> at = program.mesh.coordinates(program.rank);
  for (int axis = 0; axis < program.mesh.count(); ++axis)
    place.push_back(fmt::format("{}={}", program.mesh.name(axis), at[static_cast<size_t>(axis)]));
  std::string text = fmt::format("sharded {}, mesh {}, rank {} at {}\n\n", program.name,
                                 program.mesh.axes.empty() ? "-" : print(program.mesh),
                                 program.rank, place.empty() ? "-" : join(place, ","));
  text += dims_text(program) + "\n";
  const auto add_borders = [&text](const std::vector<Border>& list) {
    for (const Border& border : list)
      text += fmt::format("{} {} = {}\n", role_text(border), outline(border.local), region(border));
  };
  add_borders(program.inputs);
  add_borders(program.stored);
  text += "\n";
  add_steps(program.steps, program.mesh, "", text);
  text += "\n";
  for (const LocalUpdate& update : program.updates)
    text += fmt::format("update {} = {}\n", update.target.name(), update.value.name());
  for (const Border& border : program.outputs)
    text += fmt::format("output {} = {}, {}\n", border.name, outline(border.local), region(border));
  return text;
}

}  // namespace tessera
