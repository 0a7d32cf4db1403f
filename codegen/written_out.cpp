#include "codegen/written_out.h"

#include <algorithm>
#include <map>

#include "codegen/schedule_model.h"

namespace tessera {
namespace {

constexpr int64_t kMostSteps = 16;
constexpr size_t kMostNodes = 256;  // afterwards

bool may_be_written_out(const LoopNest& nest) {
  if (nest.stages.size() != 1) return false;
  const Stage& stage = nest.stages[0];
  if (stage.reduced.empty() || stage.reductions.empty() || stage.scan || stage.scatters ||
      !stage.inner.empty())
    return false;
  int64_t steps = 1;
  for (const int loop : stage.reduced) steps *= nest.loops[static_cast<size_t>(loop)].extent;
  const size_t nodes = use_of(nest, stage).nodes.size();
  if (steps < 1 || steps > kMostSteps || nodes * static_cast<size_t>(steps) > kMostNodes)
    return false;
  return std::all_of(stage.reductions.begin(), stage.reductions.end(), [&](int r) {
    const DType type = nest.reductions[static_cast<size_t>(r)].type;
    return type != DType::b8 && sum_type(type) == type;
  });
}

class Writer {
 public:
  explicit Writer(const LoopNest& from) : from_(from), to_(from), stage_(from.stages[0]) {
    for (const int loop : stage_.reduced) reduced_ |= uint64_t{1} << loop;
    to_.nodes.clear();
    to_.reductions.clear();
  }

  LoopNest run() {
    std::vector<int> values;
    for (const int r : stage_.reductions) {
      const Accumulation& reduction = from_.reductions[static_cast<size_t>(r)];
      values.push_back(add(constant(identity(reduction.op, reduction.type), reduction.type)));
    }
    write_steps(0, values);
    for (size_t i = 0; i < values.size(); ++i) results_[stage_.reductions[i]] = values[i];
    here_.clear();
    Stage& stage = to_.stages[0];
    stage.reduced.clear();
    stage.reductions.clear();
    stage.inner = std::move(stage.outer);
    stage.outer.clear();
    for (Store& store : stage.inner) {
      store.node = node(store.node);
      store.address = address(store.address);
    }
    return std::move(to_);
  }

 private:
  static Node constant(const Scalar& value, DType type) {
    Node node;
    node.kind = Node::Kind::constant;
    node.type = type;
    node.value = value;
    return node;
  }

  int add(Node node) {
    to_.nodes.push_back(std::move(node));
    return static_cast<int>(to_.nodes.size()) - 1;
  }

  // The steps of the reduced loops from `depth` inwards, the first one of each first.
  void write_steps(size_t depth, std::vector<int>& values) {
    if (depth < stage_.reduced.size()) {
      const int loop = stage_.reduced[depth];
      for (int64_t i = 0; i < from_.loops[static_cast<size_t>(loop)].extent; ++i) {
        at_[loop] = i;
        write_steps(depth + 1, values);
      }
      return;
    }
    here_.clear();
    for (size_t i = 0; i < values.size(); ++i) {
      const Accumulation& reduction = from_.reductions[static_cast<size_t>(stage_.reductions[i])];
      Node combined;
      combined.kind = Node::Kind::apply;
      combined.type = reduction.type;
      combined.fn = function_of(reduction.op);
      combined.args = {values[i], node(reduction.node)};
      for (const int arg : combined.args)
        combined.loops |= to_.nodes[static_cast<size_t>(arg)].loops;
      values[i] = add(std::move(combined));
    }
  }

  // Where the reduced loops have the value of this step.
  LoopAffine affine(const LoopAffine& form) const {
    LoopAffine result{{}, form.constant};
    for (const auto& [loop, coefficient] : form.terms) {
      if ((reduced_ >> loop & 1) != 0)
        result.constant += coefficient * at_.at(loop);
      else
        result.terms.emplace_back(loop, coefficient);
    }
    return result;
  }

  Address address(const Address& from) {
    Address result{from.buffer, affine(from.affine), {}, {}};
    for (const auto& [term, stride] : from.terms) result.terms.emplace_back(node(term), stride);
    for (Guard guard : from.guards) {
      guard.affine = affine(guard.affine);
      if (guard.node >= 0) guard.node = node(guard.node);
      result.guards.push_back(std::move(guard));
    }
    return result;
  }

  // What stands for a node at this step.
  int node(int index) {
    const Node& from = from_.nodes[static_cast<size_t>(index)];
    if (from.kind == Node::Kind::result) return results_.at(from.reduction);
    std::map<int, int>& known = (from.loops & reduced_) != 0 ? here_ : everywhere_;
    if (const auto it = known.find(index); it != known.end()) return it->second;
    Node made = from;
    made.loops &= ~reduced_;
    made.index = affine(from.index);
    for (int& arg : made.args) arg = node(arg);
    if (from.kind == Node::Kind::load) made.address = address(from.address);
    if (from.kind == Node::Kind::loop && made.index.terms.empty())
      made = constant(Scalar::of_int(made.type, made.index.constant), made.type);
    const int result = add(std::move(made));
    known.emplace(index, result);
    return result;
  }

  const LoopNest& from_;
  LoopNest to_;
  const Stage& stage_;
  uint64_t reduced_ = 0;
  std::map<int, int64_t> at_;             // the step of each reduced loop
  std::map<int, int> here_, everywhere_;  // nodes that were made, for this step and for all
  std::map<int, int> results_;            // of reductions
};

}  // namespace

std::optional<LoopNest> written_out(const LoopNest& nest) {
  if (!may_be_written_out(nest)) return std::nullopt;
  return Writer(nest).run();
}

}  // namespace tessera
