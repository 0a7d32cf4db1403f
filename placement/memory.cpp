#include "placement/memory.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ir/index_range.h"
#include "partition/stacks.h"

namespace tessera {
namespace {

constexpr int64_t kGranule = 64;

int64_t rounded(int64_t bytes) {
  return (bytes + kGranule - 1) / kGranule * kGranule;
}

int64_t rounded_bytes(const Tensor& tensor) {
  return rounded(volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type())));
}

struct Life {
  Tensor tensor;
  size_t from;
  size_t to;  // inclusive
};

// From which step to which each tensor is held, of those that are at home in one list of steps.
class Lives {
 public:
  // `home`: how many loops are around the steps.
  Lives(const std::map<Tensor, Stack>& stacks, size_t home) : stacks_(stacks), home_(home) {}

  void touch(const Tensor& tensor, size_t from, size_t to) {
    const auto stack = stacks_.find(tensor);
    if (stack != stacks_.end() && stack->second.inside) {
      touch(*stack->second.inside, from, to);
      return;
    }
    if ((stack == stacks_.end() ? 0 : stack->second.home) != home_) return;
    const auto [it, fresh] = index_.emplace(tensor, list_.size());
    if (fresh) {
      list_.push_back({tensor, from, to});
      return;
    }
    Life& life = list_[it->second];
    life.from = std::min(life.from, from);
    life.to = std::max(life.to, to);
  }

  void touch(const std::vector<Step>& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      for (const Tensor& output : outputs_of(steps[i])) touch(output, i, i);
      for (const Tensor& input : inputs_of(steps[i])) touch(input, i, i);
    }
  }

  int64_t bytes_of(const Tensor& tensor) const {
    const auto stack = stacks_.find(tensor);
    if (stack == stacks_.end()) return rounded_bytes(tensor);
    return rounded(volume(tensor, stack->second) * static_cast<int64_t>(size_of(tensor.type())));
  }

  const Life* find(const Tensor& tensor) const {
    const auto it = index_.find(tensor);
    return it == index_.end() ? nullptr : &list_[it->second];
  }
  const std::vector<Life>& list() const { return list_; }

 private:
  const std::map<Tensor, Stack>& stacks_;
  size_t home_;
  std::vector<Life> list_;
  std::map<Tensor, size_t> index_;
};

// What a step holds while it runs: the staging of a collective; what is used within the iterations
// of a loop.
int64_t transient_bytes(const Step& step, const std::map<Tensor, Stack>& stacks, size_t loops);

// What is held while each step runs; without steps, at once.
std::vector<int64_t> held_over(const std::vector<Step>& steps, const Lives& lives,
                               const std::map<Tensor, Stack>& stacks, size_t loops,
                               const std::set<Tensor>& without) {
  const size_t count = std::max<size_t>(steps.size(), 1);
  std::vector<int64_t> change(count + 1, 0);
  for (const Life& life : lives.list()) {
    if (without.count(life.tensor) != 0) continue;
    change[life.from] += lives.bytes_of(life.tensor);
    change[life.to + 1] -= lives.bytes_of(life.tensor);
  }
  std::vector<int64_t> bytes;
  int64_t held = 0;
  for (size_t i = 0; i < count; ++i) {
    held += change[i];
    bytes.push_back(held + (i < steps.size() ? transient_bytes(steps[i], stacks, loops) : 0));
  }
  return bytes;
}

int64_t transient_bytes(const Step& step, const std::map<Tensor, Stack>& stacks, size_t loops) {
  if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
    Lives lives(stacks, loops + 1);
    lives.touch(loop->body);
    const std::vector<int64_t> held = held_over(loop->body, lives, stacks, loops + 1, {});
    return *std::max_element(held.begin(), held.end());
  }
  const CommStep* comm = std::get_if<CommStep>(&step);
  if (comm == nullptr) return 0;
  int64_t iterations = 1;
  for (size_t i = 0; i < loops; ++i) iterations *= comm->output.dims()[i].extent();
  return std::max(rounded_bytes(comm->input), rounded_bytes(comm->output)) /
         std::max<int64_t>(iterations, 1);
}

const std::string& origin_of(const Step& step) {
  if (const LoopStep* loop = std::get_if<LoopStep>(&step)) return loop->over.name();
  if (const CommStep* comm = std::get_if<CommStep>(&step)) return comm->origin;
  return std::get<ComputeStep>(step).origin;
}

// Does the step read `tensor` only element by element, at the place that it writes?
bool reads_in_place(const Step& step, const Tensor& tensor) {
  const ComputeStep* compute = std::get_if<ComputeStep>(&step);
  if (compute == nullptr || compute->nest.op) return false;
  for (const Expr& expr : reads_of(compute->nest)) {
    const Read& read = *as<Read>(expr);
    if (!(read.tensor == tensor)) continue;
    for (size_t i = 0; i < read.indices.size(); ++i) {
      std::optional<Affine> form = affine_form(read.indices[i].value);
      if (!form || !form->plain() || !(*form->plain() == tensor.dims()[i])) return false;
    }
  }
  return true;
}

class Accountant {
 public:
  explicit Accountant(const ShardedProgram& program)
      : program_(program), stacks_(stacks_of(program)), lives_(stacks_, 0) {}

  MemoryUse run() {
    find_lives();
    for (const LocalUpdate& update : program_.updates) replace_in_place(update);
    for (const Life& life : lives_.list())
      if (life.from == 0 && life.to == last_) result_.kept += lives_.bytes_of(life.tensor);
    result_.over_steps = held_over(program_.steps, lives_, stacks_, 0, in_place_);
    const auto most = std::max_element(result_.over_steps.begin(), result_.over_steps.end());
    result_.peak = *most;
    describe_peak(static_cast<size_t>(most - result_.over_steps.begin()));
    return std::move(result_);
  }

 private:
  void find_lives() {
    last_ = program_.steps.empty() ? 0 : program_.steps.size() - 1;
    const auto keep = [&](const Tensor& tensor) { lives_.touch(tensor, 0, last_); };
    for (const Border& border : program_.inputs) keep(border.local);
    for (const Border& border : program_.stored) keep(border.local);
    lives_.touch(program_.steps);
    for (size_t i = 0; i < program_.steps.size(); ++i)
      for (const Tensor& input : inputs_of(program_.steps[i])) last_read_[input] = i;
    for (const LocalUpdate& update : program_.updates) lives_.touch(update.value, last_, last_);
    for (const Border& border : program_.outputs) keep(border.local);
  }

  // The new value needs no room of its own when nothing reads the old one after it is made.
  void replace_in_place(const LocalUpdate& update) {
    const Life* life = lives_.find(update.value);
    if (life == nullptr) return;
    const size_t made = life->from;
    const std::vector<Step>& steps = program_.steps;
    if (made >= steps.size() || outputs_of(steps[made]) != std::vector<Tensor>{update.value})
      return;
    const auto read = last_read_.find(update.target);
    if (read != last_read_.end() && read->second > made) return;
    if (read != last_read_.end() && read->second == made &&
        !reads_in_place(steps[made], update.target))
      return;
    in_place_.insert(update.value);
  }

  void describe_peak(size_t step) {
    if (program_.steps.empty()) return;
    const Step& fullest = program_.steps[step];
    const bool loop = std::holds_alternative<LoopStep>(fullest);
    result_.at = (loop ? "loop " : "") + origin_of(fullest);
    for (const Life& life : lives_.list()) {
      const int64_t bytes = in_place_.count(life.tensor) != 0 ? 0 : lives_.bytes_of(life.tensor);
      if (life.from <= step && step <= life.to && bytes > 0)
        result_.holdings.push_back({life.tensor.name(), bytes});
    }
    if (const int64_t bytes = transient_bytes(fullest, stacks_, 0))
      result_.holdings.push_back(
          {loop ? "(within an iteration)" : "(staging of " + result_.at + ")", bytes});
    std::stable_sort(result_.holdings.begin(), result_.holdings.end(),
                     [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  }

  const ShardedProgram& program_;
  const std::map<Tensor, Stack> stacks_;
  size_t last_ = 0;
  Lives lives_;
  std::map<Tensor, size_t> last_read_;  // by step
  std::set<Tensor> in_place_;
  MemoryUse result_;
};

}  // namespace

MemoryUse memory_of(const ShardedProgram& program) {
  return Accountant(program).run();
}

}  // namespace tessera
