#include "partition/stacks.h"

#include <algorithm>
#include <set>
#include <string>

#include "ir/structure.h"

namespace tessera {
namespace {

// Loops by identity, outermost first.
using Path = std::vector<const LoopStep*>;

// A reader of a tensor, or its writer.
struct Use {
  Path path;
  std::vector<Lead> lead;
};

class Survey {
 public:
  explicit Survey(const ShardedProgram& program) : depths_(loop_depths(program)) {
    visit(program.steps, {});
    for (const Border& border : program.outputs) use(border.local, {}, {});
    for (const LocalUpdate& update : program.updates) use(update.value, {}, {});
  }

  std::map<Tensor, Stack> stacks() {
    std::map<Tensor, Stack> found;
    for (const auto& [tensor, path] : home_)
      found.emplace(tensor, own_stack(tensor, uses_[tensor]));
    for (const auto& [carry, depth] : carries_) {
      if (may_share(carry, depth)) {
        share(carry, depth, found);
      } else {  // the next iteration copies it
        Stack& next = found.at(carry.next);
        next.home = std::min(next.home, depth - 1);
      }
    }
    for (const auto& [tensor, depth] : conditions_) {  // looked at after the iteration
      Stack& stack = found.at(tensor);
      stack.home = std::min(stack.home, depth - 1);
    }
    return found;
  }

 private:
  void visit(const std::vector<Step>& steps, const Path& path) {
    Dims loops;
    for (const LoopStep* loop : path) loops.push_back(loop->over);
    IterationParts iteration(loops, depths_);
    for (const Step& step : steps) {
      if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
        visit_loop(*loop, path, iteration);
        continue;
      }
      if (!path.empty()) home_.emplace(outputs_of(step)[0], path);
      if (const CommStep* comm = std::get_if<CommStep>(&step)) {
        use(comm->input, path, iteration.view(iteration.part(comm->input)).lead);
        continue;
      }
      const Nest nest = iteration.part(std::get<ComputeStep>(step).nest);
      for (const Tensor& read : tensors_read(nest.body)) {
        const View view = iteration.view(read);
        use(view.whole, path, view.lead);
      }
    }
  }

  void visit_loop(const LoopStep& loop, const Path& path, IterationParts& around) {
    Path inner = path;
    inner.push_back(&loop);
    for (const Carry& carry : loop.carries) {
      home_.emplace(carry.carried, inner);
      carries_.emplace_back(carry, inner.size());
      use(carry.initial, path, around.view(around.part(carry.initial)).lead);
    }
    if (loop.while_holds) conditions_.emplace_back(*loop.while_holds, inner.size());
    visit(loop.body, inner);
  }

  void use(const Tensor& tensor, const Path& path, const std::vector<Lead>& lead) {
    if (depths_.count(tensor) != 0) uses_[tensor].push_back({path, lead});
  }

  // Is the use in the iteration of loop `at` that computed the part?
  static bool same_iteration(const Use& use, const Path& home, size_t at) {
    return use.path.size() > at && use.path[at] == home[at] && use.lead.size() > at &&
           use.lead[at] == Lead{static_cast<int>(at), 0};
  }

  static bool last_iteration(const Use& use, const Path& home, size_t at) {
    const LoopStep& loop = *home[at];
    const int64_t last = loop.descending ? 0 : loop.over.extent() - 1;
    return use.lead.size() > at && use.lead[at] == Lead{-1, last};
  }

  template <typename Test>
  static bool all_of(const std::vector<Use>& uses, const Test& test) {
    return std::all_of(uses.begin(), uses.end(), test);
  }

  Stack own_stack(const Tensor& tensor, const std::vector<Use>& uses) const {
    const Path& home = home_.at(tensor);
    Stack stack;
    for (size_t at = 0; at < home.size(); ++at) {
      const bool one = all_of(uses, [&](const Use& use) {
        return same_iteration(use, home, at) || last_iteration(use, home, at);
      });
      stack.slots.push_back(one ? 1 : std::max<int64_t>(home[at]->over.extent(), 1));
    }
    while (stack.home < home.size() &&
           all_of(uses, [&](const Use& use) { return same_iteration(use, home, stack.home); }))
      ++stack.home;
    return stack;
  }

  std::vector<Use> uses_of_both(const Carry& carry) {
    std::vector<Use> uses = uses_[carry.carried];
    const std::vector<Use>& more = uses_[carry.next];
    uses.insert(uses.end(), more.begin(), more.end());
    return uses;
  }

  // With one slot more than iterations, what lies one loop further out is no longer dense.
  bool may_share(const Carry& carry, size_t depth) {
    return all_of(uses_of_both(carry),
                  [&](const Use& use) { return use.lead.size() + 1 >= depth; });
  }

  void share(const Carry& carry, size_t depth, std::map<Tensor, Stack>& found) {
    const std::vector<Use> uses = uses_of_both(carry);
    const Path& home = home_.at(carry.carried);
    const size_t at = depth - 1;
    Stack stack = own_stack(carry.next, uses);
    const bool two = all_of(uses, [&](const Use& use) {
      return same_iteration(use, home, at) || last_iteration(use, home, at);
    });
    stack.slots[at] = two ? 2 : home[at]->over.extent() + 1;
    stack.shifted = static_cast<int>(at);
    stack.first = home[at]->descending ? 0 : 1;
    stack.home = std::min(stack.home, at);
    found.at(carry.next) = stack;
    stack.first = 1 - stack.first;
    stack.inside = carry.next;
    stack.slots.resize(depth);
    found.at(carry.carried) = stack;
  }

  const std::map<Tensor, size_t> depths_;
  std::map<Tensor, Path> home_;
  std::map<Tensor, std::vector<Use>> uses_;
  // With the loops around them.
  std::vector<std::pair<Carry, size_t>> carries_;
  std::vector<std::pair<Tensor, size_t>> conditions_;
};

}  // namespace

std::map<Tensor, Stack> stacks_of(const ShardedProgram& program) {
  const bool loops = std::any_of(program.steps.begin(), program.steps.end(), [](const Step& step) {
    return std::holds_alternative<LoopStep>(step);
  });
  return loops ? Survey(program).stacks() : std::map<Tensor, Stack>{};
}

namespace {

const std::string* origin_of(const Step& step) {
  if (const ComputeStep* compute = std::get_if<ComputeStep>(&step)) return &compute->origin;
  if (const CommStep* comm = std::get_if<CommStep>(&step)) return &comm->origin;
  return nullptr;
}

// What is carried, and what it is updated with in whatever form.
std::set<Tensor> settled_in(const LoopStep& loop) {
  std::set<Tensor> settled;
  std::set<std::string> origins;
  for (const Carry& carry : loop.carries) {
    settled.insert(carry.carried);
    for (const Step& step : loop.body)
      if (origin_of(step) != nullptr && outputs_of(step)[0] == carry.next)
        origins.insert(*origin_of(step));
  }
  for (const Step& step : loop.body)
    if (origin_of(step) != nullptr && origins.count(*origin_of(step)) != 0)
      settled.insert(outputs_of(step)[0]);
  return settled;
}

}  // namespace

bool may_end_early(const LoopStep& loop, size_t depth, const std::map<Tensor, Stack>& stacks) {
  const std::set<Tensor> settled = settled_in(loop);
  const std::vector<Tensor> computed = outputs_of(Step(loop));
  return std::all_of(computed.begin(), computed.end(), [&](const Tensor& tensor) {
    const Stack& stack = stacks.at(tensor);
    return stack.home >= depth ||
           (settled.count(tensor) != 0 && stack.slots[depth - 1] <= (stack.shifted < 0 ? 1 : 2));
  });
}

int64_t volume(const Tensor& tensor, const Stack& stack) {
  int64_t elements = 1;
  for (size_t i = 0; i < tensor.dims().size(); ++i)
    elements *= i < stack.slots.size() ? stack.slots[i] : tensor.dims()[i].extent();
  return elements;
}

int64_t StackPlace::at(const std::vector<int64_t>& indices) const {
  int64_t place = offset;
  for (const StackMove& move : moves) {
    const int64_t index = indices[static_cast<size_t>(move.loop)] + move.first;
    place += (move.slots > 0 ? index % move.slots : index) * move.stride;
  }
  return place;
}

StackPlace place_of(const View& view, const std::map<Tensor, Stack>& stacks) {
  StackPlace place;
  for (size_t loop = 0; loop < view.steps.size(); ++loop)
    if (view.steps[loop] != 0)
      place.moves.push_back({static_cast<int>(loop), 0, 0, view.steps[loop]});
  const auto it = stacks.find(view.whole);
  if (it == stacks.end()) return place;
  const Stack& stack = it->second;
  int64_t stride = volume(view.whole, stack);
  for (size_t i = 0; i < stack.slots.size(); ++i) {
    stride /= stack.slots[i];
    const int64_t first = static_cast<int>(i) == stack.shifted ? stack.first : 0;
    if (i >= view.lead.size()) {
      place.offset += first * stride;
      continue;
    }
    const Lead& lead = view.lead[i];
    if (lead.loop < 0)
      place.offset += (lead.constant + first) % stack.slots[i] * stride;
    else
      place.moves.push_back({lead.loop, lead.constant + first, stack.slots[i], stride});
  }
  return place;
}

}  // namespace tessera
