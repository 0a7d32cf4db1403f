#include "placement/communication.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"

namespace tessera {
namespace {

// Takes a part of what is there already, for whoever reads it next.
bool slices(const Step& step) {
  const ComputeStep* compute = std::get_if<ComputeStep>(&step);
  return compute != nullptr && !compute->nest.op && compute->origin != compute->nest.out.name();
}

bool passes_on(const Step& step) {
  return std::holds_alternative<CommStep>(step) || slices(step);
}

class Tracer {
 public:
  Tracer(const Program& program, const Plan& plan, const ShardedProgram& local,
         const Timeline& line)
      : program_(program), local_(local), line_(line) {
    for (const NestDecision& nest : plan.nests) assignments_.emplace(nest.nest, &nest.assignment);
    each_step(local.steps, [&](const Step& step, int64_t) {
      made_by_.emplace(outputs_of(step)[0], &step);
      for (const Tensor& input : inputs_of(step)) read_by_[input].push_back(&step);
    });
  }

  std::vector<Communication> run() const {
    std::vector<Communication> all;
    for (const TimedStep& timed : line_.steps) {
      const CommStep* comm = std::get_if<CommStep>(timed.step);
      if (comm == nullptr) continue;
      Communication one{comm, timed.times, timed.seconds, timed.exposed, from(*comm), {}, ""};
      std::set<Tensor> seen;
      add_readers(comm->output, seen, one.to);
      one.why = made(*comm, one.from) + "; " + wanted(*comm, one.to);
      all.push_back(std::move(one));
    }
    return all;
  }

 private:
  CommunicationEnd end_of(const std::string& name) const {
    const std::optional<Tensor> tensor = program_.find(name);
    return {name, tensor ? tensor->where() : SourceLocation()};
  }

  CommunicationEnd from(const CommStep& comm) const {
    Tensor tensor = comm.input;
    for (auto it = made_by_.find(tensor); it != made_by_.end(); it = made_by_.find(tensor)) {
      if (!passes_on(*it->second)) return end_of(std::get<ComputeStep>(*it->second).origin);
      tensor = inputs_of(*it->second)[0];
    }
    return end_of(comm.origin);
  }

  void add(const std::string& name, std::vector<CommunicationEnd>& to) const {
    const CommunicationEnd end = end_of(name);
    if (std::find(to.begin(), to.end(), end) == to.end()) to.push_back(end);
  }

  void add_readers(const Tensor& tensor, std::set<Tensor>& seen,
                   std::vector<CommunicationEnd>& to) const {
    if (!seen.insert(tensor).second) return;
    if (const auto it = read_by_.find(tensor); it != read_by_.end())
      for (const Step* step : it->second) {
        if (passes_on(*step))
          add_readers(outputs_of(*step)[0], seen, to);
        else
          add(std::get<ComputeStep>(*step).origin, to);
      }
    for (const LocalUpdate& update : local_.updates)
      if (update.value == tensor) add(update.target.name(), to);
    for (const Border& output : local_.outputs)
      if (output.local == tensor) add(output.name, to);
    add_carries(local_.steps, tensor, to);
  }

  void add_carries(const std::vector<Step>& steps, const Tensor& tensor,
                   std::vector<CommunicationEnd>& to) const {
    for (const Step& step : steps) {
      const LoopStep* loop = std::get_if<LoopStep>(&step);
      if (loop == nullptr) continue;
      for (const Carry& carry : loop->carries)
        if (carry.next == tensor || carry.initial == tensor) add(carry.carried.name(), to);
      add_carries(loop->body, tensor, to);
    }
  }

  // What a nest does with the axes of a collective, apart from nothing.
  std::vector<Choice> choices(const std::string& nest, const Axes& axes) const {
    std::vector<Choice> found;
    const auto it = assignments_.find(nest);
    if (it == assignments_.end()) return found;
    for (const int axis : axes) {
      const Choice& choice = it->second->axes[static_cast<size_t>(axis)];
      if (choice.kind != Choice::Kind::none &&
          std::find(found.begin(), found.end(), choice) == found.end())
        found.push_back(choice);
    }
    return found;
  }

  std::string dim_of(const CommStep& comm, int position) const {
    return "`" + program_.get(comm.origin).dims()[static_cast<size_t>(position)].name() + "`";
  }

  // How the ranks have it before.
  std::string made(const CommStep& comm, const CommunicationEnd& from) const {
    const bool kept = assignments_.count(from.name) == 0;
    if (has_pieces(comm.kind) || comm.kind == CommKind::all_gather ||
        comm.kind == CommKind::all_to_all)
      return "each rank " + std::string(kept ? "keeps" : "makes") + " a part of " +
             dim_of(comm, comm.gather_dim);
    std::vector<std::string> parts;
    for (const Choice& choice : choices(from.name, comm.axes)) {
      if (choice.kind == Choice::Kind::pass)
        parts.push_back("passes on what each rank has of `" + join(choice.tensors, "`, `") + "`");
      else if (choice.kind == Choice::Kind::gather)
        parts.push_back("looks up in `" + choice.tensors[0] + "`, of which each rank has a part");
      else
        parts.push_back("reduces over `" + choice.dim + "`, of which each rank has a part");
    }
    if (parts.empty()) return "each rank has a share of " + from.name;
    return from.name + " " + join(parts, " and ");
  }

  // How they need it after.
  std::string wanted(const CommStep& comm, const std::vector<CommunicationEnd>& to) const {
    const std::string first = to.empty() ? "what follows" : to[0].name;
    const std::string who = first + (to.size() > 1 ? " and others need" : " needs");
    switch (comm.kind) {
      case CommKind::all_reduce:
        return who + " all of it, complete";
      case CommKind::reduce_scatter:
        return who + " a part of " + dim_of(comm, comm.scatter_dim) + ", complete";
      case CommKind::all_to_all:
        return who + " a part of " + dim_of(comm, comm.scatter_dim) + " instead";
      case CommKind::halo:
      case CommKind::window:
        return who + " what lies beside it, too";
      default:
        break;
    }
    std::vector<std::string> other;
    for (const Choice& choice : choices(first, comm.axes)) other.push_back(describe(choice));
    return who + " all of it" + (other.empty() ? "" : ", as it splits `" + join(other) + "`");
  }

  const Program& program_;
  const ShardedProgram& local_;
  const Timeline& line_;
  std::map<std::string, const Assignment*> assignments_;
  std::map<Tensor, const Step*> made_by_;
  std::map<Tensor, std::vector<const Step*>> read_by_;
};

}  // namespace

std::vector<Communication> communication_of(const Program& normal, const Plan& plan,
                                            const ShardedProgram& local, const Timeline& line) {
  return Tracer(normal, plan, local, line).run();
}

}  // namespace tessera
