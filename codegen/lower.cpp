#include "codegen/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "codegen/fault.h"
#include "codegen/scatter.h"
#include "codegen/stages.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// A scatter may add this often to a place, on average, before what is lost is kept. Where there are
// many places, keeping it costs more than the additions: a second table is one too many for caches.
constexpr int64_t kPlainAdditions = 4096;

// Elements from the first to the last, both counted.
int64_t span_of(const Tensor& tensor) {
  if (volume(tensor.dims()) == 0) return 0;
  const std::vector<int64_t> strides = tensor.strides();
  int64_t span = 1;
  for (size_t i = 0; i < strides.size(); ++i) span += (tensor.dims()[i].extent() - 1) * strides[i];
  return span;
}

class Lowering {
 public:
  explicit Lowering(const KernelGroup& group) : group_(group), plan_(plan_stages(group.nests)) {
    for (size_t i = 0; i < group.nests.size(); ++i)
      nest_of_.emplace(group.nests[i].out, static_cast<int>(i));
    roots_.assign(group.nests.size(), -1);
    for (const Tensor& tensor : group.inputs) add_argument(tensor);
    for (const Tensor& tensor : group.outputs) add_argument(tensor);
    find_scratch();
    result_.shared = loops_of(plan_.shared);
    for (size_t s = 0; s < plan_.stages.size(); ++s) lower_stage(static_cast<int>(s));
    set_loop_masks();
  }
  LoopNest take() { return std::move(result_); }

 private:
  // --- Loops and buffers ---

  int loop_of(const Dim& dim) {
    const auto [it, added] = loops_.emplace(dim, static_cast<int>(result_.loops.size()));
    if (added) result_.loops.push_back({dim.name(), dim.extent(), {dim}});
    TESSERA_CHECK(result_.loops.size() <= static_cast<size_t>(kMaxLoops)) << describe(group_);
    return it->second;
  }

  std::vector<int> loops_of(const Dims& dims) {
    std::vector<int> loops;
    for (const Dim& dim : dims)
      if (dim.extent() != 1) loops.push_back(loop_of(dim));
    return loops;
  }

  void add_argument(const Tensor& tensor) {
    NestBuffer buffer;
    buffer.name = tensor.name();
    buffer.type = tensor.type();
    buffer.argument = result_.arguments++;
    buffer.elements = span_of(tensor);
    buffer.past_caches = group_.past_caches.count(tensor) != 0;
    // A tensor that is both read and written appears twice; reads see what was written.
    buffer_of_[tensor] = static_cast<int>(result_.buffers.size());
    result_.buffers.push_back(buffer);
  }

  void add_scratch(const Tensor& tensor) {
    if (buffer_of_.count(tensor) != 0) return;
    NestBuffer buffer;
    buffer.name = tensor.name();
    buffer.type = tensor.type();
    buffer.elements = volume(subtract(tensor.dims(), plan_.shared));
    buffer_of_[tensor] = static_cast<int>(result_.buffers.size());
    result_.buffers.push_back(buffer);
  }

  // Private tensors that a later stage reads, or that are scattered into, need memory.
  void find_scratch() {
    for (size_t i = 0; i < group_.nests.size(); ++i) {
      const int stage = plan_.stage_of[i];
      if (plan_.stages[static_cast<size_t>(stage)].scatter) add_scratch(group_.nests[i].out);
      for (const Tensor& tensor : tensors_read(group_.nests[i].body)) {
        const auto it = nest_of_.find(tensor);
        if (it != nest_of_.end() && plan_.stage_of[static_cast<size_t>(it->second)] != stage)
          add_scratch(tensor);
      }
    }
  }

  bool is_scratch(const Tensor& tensor) const {
    return result_.buffers[static_cast<size_t>(buffer_of_.at(tensor))].argument < 0;
  }

  // Elements between neighbours along each dim of the tensor's buffer; 0 for dims that scratch
  // does not keep.
  std::vector<int64_t> strides_of(const Tensor& tensor) const {
    if (!is_scratch(tensor)) return tensor.strides();
    const Dims& dims = tensor.dims();
    std::vector<int64_t> strides(dims.size(), 0);
    int64_t stride = 1;
    for (size_t i = dims.size(); i-- > 0;) {
      if (contains(plan_.shared, dims[i])) continue;
      strides[i] = stride;
      stride *= dims[i].extent();
    }
    return strides;
  }

  // --- Addresses ---

  LoopAffine to_loops(const Affine& affine) {
    LoopAffine result;
    result.constant = affine.constant;
    for (const auto& [dim, coefficient] : affine.terms)
      if (dim.extent() != 1) result.terms.emplace_back(loop_of(dim), coefficient);
    std::sort(result.terms.begin(), result.terms.end());
    return result;
  }

  static void add(LoopAffine& sum, const LoopAffine& other, int64_t factor) {
    sum.constant += factor * other.constant;
    for (const auto& [loop, coefficient] : other.terms) {
      const auto it = std::find_if(sum.terms.begin(), sum.terms.end(),
                                   [&, l = loop](const auto& term) { return term.first == l; });
      if (it == sum.terms.end()) {
        if (factor * coefficient != 0) sum.terms.emplace_back(loop, factor * coefficient);
      } else if ((it->second += factor * coefficient) == 0) {
        sum.terms.erase(it);
      }
    }
    std::sort(sum.terms.begin(), sum.terms.end());
  }

  // Adds one index to an address: what it may read outside of, it guards.
  void add_index(Address& address, const Expr& index, int64_t stride, Guard guard, bool optional) {
    const std::optional<IndexRange> range = index_range(index);
    const bool inside = range && range->low >= 0 && range->high < guard.extent;
    if (const std::optional<Affine> affine = affine_form(index)) {
      guard.affine = to_loops(*affine);
      add(address.affine, guard.affine, stride);
      // An index that nothing bounds belongs to an empty loop and is never used.
      if (optional && !inside) address.guards.push_back(guard);
      return;
    }
    if (inside) {
      add_parts(address, index, stride);
      return;
    }
    guard.node = value(index);
    if (stride != 0) address.terms.emplace_back(guard.node, stride);
    address.guards.push_back(guard);
  }

  // An index that stays inside, by the parts that it is a sum of, so that loops along which it is
  // affine have their steps: o of `x % 4 * 16 + o`.
  void add_parts(Address& address, const Expr& index, int64_t stride) {
    if (stride == 0) return;
    if (const std::optional<Affine> affine = affine_form(index)) {
      add(address.affine, to_loops(*affine), stride);
      return;
    }
    const Apply* apply = as<Apply>(index);
    const Fn fn = apply == nullptr ? Fn::where : apply->fn;
    if (fn == Fn::add || fn == Fn::sub) {
      add_parts(address, apply->args[0], stride);
      add_parts(address, apply->args[1], fn == Fn::sub ? -stride : stride);
      return;
    }
    for (const int side : {0, 1}) {
      const Constant* factor = fn == Fn::mul ? as<Constant>(apply->args[side]) : nullptr;
      if (factor == nullptr) continue;
      add_parts(address, apply->args[1 - side], stride * factor->value.i);
      return;
    }
    address.terms.emplace_back(value(index), stride);
  }

  Address address_of(const Expr& expr, const Read& read) {
    Address address;
    address.buffer = buffer_of_.at(read.tensor);
    const std::vector<int64_t> strides = strides_of(read.tensor);
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const Index& index = read.indices[i];
      Guard guard;
      guard.extent = read.tensor.dims()[i].extent();
      const bool known = affine_form(index.value) || index_range(index.value);
      if (!index.padded && !known) {
        result_.faults.push_back(fault_text(expr.where(), read, i));
        guard.fault = static_cast<int64_t>(result_.faults.size());
      }
      add_index(address, index.value, strides[i], guard, index.padded);
    }
    return address;
  }

  // --- Nodes ---

  int add_node(Node node, const std::string& key) {
    const auto [it, added] = known_.emplace(key, static_cast<int>(result_.nodes.size()));
    if (added) result_.nodes.push_back(std::move(node));
    return it->second;
  }

  static std::string key(const LoopAffine& affine) {
    std::string text = std::to_string(affine.constant);
    for (const auto& [loop, coefficient] : affine.terms)
      text += fmt::format("+{}*{}", coefficient, loop);
    return text;
  }

  static std::string key(const Address& address) {
    std::string text = fmt::format("{}@{}", address.buffer, key(address.affine));
    for (const auto& [node, stride] : address.terms) text += fmt::format("+{}%{}", stride, node);
    for (const Guard& guard : address.guards)
      text += fmt::format("?{}:{}:{}", guard.node, guard.extent, key(guard.affine));
    return text;
  }

  int value(const Expr& expr) {
    const auto it = lowered_.find(&expr.node());
    if (it != lowered_.end()) return it->second;
    const int node = lower_node(expr);
    lowered_.emplace(&expr.node(), node);
    return node;
  }

  int lower_node(const Expr& expr) {
    Node node;
    node.type = expr.type();
    if (const Constant* constant = as<Constant>(expr)) {
      node.value = constant->value;
      return add_node(node, fmt::format("c{}:{:x}", static_cast<int>(node.type),
                                        static_cast<uint64_t>(node.value.i)));
    }
    if (const IndexOf* index = as<IndexOf>(expr)) {
      node.kind = Node::Kind::loop;
      node.index = to_loops({{{index->dim, 1}}, 0});
      return add_node(node, "i" + key(node.index));
    }
    if (const Read* read = as<Read>(expr)) return lower_read(expr, *read);
    const Apply* apply = as<Apply>(expr);
    TESSERA_CHECK(apply != nullptr) << "a nest holds scalar formulas only";
    node.kind = Node::Kind::apply;
    node.fn = apply->fn;
    std::string text = fmt::format("a{}:{}", static_cast<int>(node.type), info(apply->fn).name);
    for (const Expr& arg : apply->args) {
      node.args.push_back(value(arg));
      text += fmt::format(" {}", node.args.back());
      node.faulting = node.faulting || at(node.args.back()).faulting;
    }
    return add_node(node, text);
  }

  int lower_read(const Expr& expr, const Read& read) {
    const auto writer = nest_of_.find(read.tensor);
    if (writer != nest_of_.end() && plan_.stage_of[static_cast<size_t>(writer->second)] == stage_)
      return roots_[static_cast<size_t>(writer->second)];
    Node node;
    node.kind = Node::Kind::load;
    node.type = expr.type();
    node.value = read.pad ? *read.pad : Scalar::of_number(expr.type(), 0);
    node.address = address_of(expr, read);
    for (const Guard& guard : node.address.guards)
      node.faulting =
          node.faulting || guard.fault != 0 || (guard.node >= 0 && at(guard.node).faulting);
    for (const auto& [term, stride] : node.address.terms)
      node.faulting = node.faulting || at(term).faulting;
    return add_node(
        node, fmt::format("l{}:{:x}", key(node.address), static_cast<uint64_t>(node.value.i)));
  }

  Node& at(int node) { return result_.nodes[static_cast<size_t>(node)]; }

  // --- Stages ---

  Address address_of_output(const Tensor& tensor) {
    Address address;
    address.buffer = buffer_of_.at(tensor);
    const std::vector<int64_t> strides = strides_of(tensor);
    for (size_t i = 0; i < strides.size(); ++i)
      add(address.affine, to_loops({{{tensor.dims()[i], 1}}, 0}), strides[i]);
    return address;
  }

  void store(std::vector<Store>& stores, int n) {
    const Tensor& out = group_.nests[static_cast<size_t>(n)].out;
    if (buffer_of_.count(out) == 0) return;
    stores.push_back({address_of_output(out), roots_[static_cast<size_t>(n)], {}, {}});
  }

  void lower_stage(int s) {
    stage_ = s;
    lowered_.clear();
    known_.clear();
    const StagePlan& plan = plan_.stages[static_cast<size_t>(s)];
    if (plan.scatter) {
      lower_scatter(plan);
      return;
    }
    if (plan.scan) {
      lower_scan(plan);
      return;
    }
    Stage stage;
    stage.free = loops_of(plan.free);
    stage.reduced = loops_of(plan.reduced);
    // In the order of the group: reductions may read inner maps.
    for (size_t i = 0; i < group_.nests.size(); ++i) {
      if (plan_.stage_of[i] != s) continue;
      const int n = static_cast<int>(i);
      const Nest& nest = group_.nests[i];
      const int body = value(nest.body);
      if (!nest.op) {
        roots_[i] = body;
        const bool inner = std::count(plan.inner.begin(), plan.inner.end(), n) != 0;
        store(inner ? stage.inner : stage.outer, n);
        continue;
      }
      reduce(stage, n, body);
    }
    result_.stages.push_back(std::move(stage));
  }

  // Nest n is a reduction of the node, stored after it.
  void reduce(Stage& stage, int n, int body) {
    const Nest& nest = group_.nests[static_cast<size_t>(n)];
    Node result;
    result.kind = Node::Kind::result;
    result.type = nest.out.type();
    result.reduction = static_cast<int>(result_.reductions.size());
    stage.reductions.push_back(result.reduction);
    result_.reductions.push_back({*nest.op, nest.out.type(), body});
    for (int loop : stage.free) result.loops |= uint64_t{1} << loop;
    for (int loop : result_.shared) result.loops |= uint64_t{1} << loop;
    if (stage.scan) result.loops |= uint64_t{1} << stage.scan->out;
    roots_[static_cast<size_t>(n)] = add_node(result, fmt::format("r{}", result.reduction));
    store(stage.outer, n);
  }

  void lower_scan(const StagePlan& plan) {
    Stage stage;
    stage.free = loops_of(plan.free);
    const Scan& scan = *plan.scan;
    stage.scan = {loop_of(scan.out), loop_of(scan.in), scan.descending, scan.offset};
    reduce(stage, plan.reductions[0], value(scan.value));
    result_.stages.push_back(std::move(stage));
  }

  // First 0 everywhere, or what else the operation begins with, then the additions. Where there are
  // many, what they lose is kept beside the sums and added at the end.
  void lower_scatter(const StagePlan& plan) {
    const int n = plan.reductions[0];
    const Nest& nest = group_.nests[static_cast<size_t>(n)];
    const Scatter scatter = *find_scatter(nest);
    const Tensor& sums = nest.out;
    const DType type = sums.type();
    std::optional<Tensor> lost;
    if (nest.op == ReduceOp::sum && is_float(type) &&
        volume(nest.reduced) / kPlainAdditions > volume(scatter.targets)) {
      lost = make_tensor(sums.name() + ".lost", sums.dims(), type, Role::state);
      add_scratch(*lost);
    }
    Stage each;
    each.free = loops_of(unite(plan.free, scatter.targets));
    Stage clear = each;
    const int zero = value(make_constant(identity(*nest.op, type)));
    roots_[static_cast<size_t>(n)] = zero;
    clear.inner.push_back({address_of_output(sums), zero, {}, {}});
    if (lost) clear.inner.push_back({address_of_output(*lost), zero, {}, {}});
    result_.stages.push_back(clear);

    Stage update;
    update.scatters = true;
    update.free = loops_of(plan.free);
    update.reduced = loops_of(plan.reduced);
    Store add_up;
    add_up.address = address_of_target(sums, scatter);
    add_up.accumulate = *nest.op;
    if (lost) add_up.lost = address_of_target(*lost, scatter);
    add_up.node = value(scatter.value);
    update.inner.push_back(add_up);
    result_.stages.push_back(update);

    if (lost) {
      Node total;
      total.kind = Node::Kind::apply;
      total.type = type;
      total.fn = Fn::add;
      total.args = {load_of(sums), load_of(*lost)};
      each.inner.push_back({address_of_output(sums), add_node(total, "total"), {}, {}});
      result_.stages.push_back(each);
    }
  }

  // What the buffer of a tensor holds.
  int load_of(const Tensor& tensor) {
    Node node;
    node.kind = Node::Kind::load;
    node.type = tensor.type();
    node.value = Scalar::of_number(tensor.type(), 0);
    node.address = address_of_output(tensor);
    return add_node(node, "l" + key(node.address));
  }

  // Where a scatter adds to `tensor`, which has the dims of its result.
  Address address_of_target(const Tensor& tensor, const Scatter& scatter) {
    Address address;
    address.buffer = buffer_of_.at(tensor);
    const std::vector<int64_t> strides = strides_of(tensor);
    for (size_t i = 0; i < strides.size(); ++i) {
      const Dim& dim = tensor.dims()[i];
      const int target = position(scatter.targets, dim);
      if (target < 0) {
        add(address.affine, to_loops({{{dim, 1}}, 0}), strides[i]);
        continue;
      }
      Guard guard;
      guard.extent = dim.extent();
      add_index(address, scatter.positions[static_cast<size_t>(target)], strides[i], guard, true);
    }
    return address;
  }

  void set_loop_masks() {
    for (Node& node : result_.nodes) {
      const auto add_affine = [&](const LoopAffine& affine) {
        for (const auto& term : affine.terms) node.loops |= uint64_t{1} << term.first;
      };
      add_affine(node.index);
      add_affine(node.address.affine);
      for (const Guard& guard : node.address.guards) {
        add_affine(guard.affine);
        if (guard.node >= 0) node.loops |= at(guard.node).loops;
      }
      for (const auto& [term, stride] : node.address.terms) node.loops |= at(term).loops;
      for (int arg : node.args) node.loops |= at(arg).loops;
      if (node.kind == Node::Kind::load &&
          result_.buffers[static_cast<size_t>(node.address.buffer)].argument < 0)
        for (int loop : result_.shared) node.loops |= uint64_t{1} << loop;
    }
  }

  const KernelGroup& group_;
  GroupPlan plan_;
  LoopNest result_;
  std::map<Dim, int> loops_;
  std::map<Tensor, int> buffer_of_;
  std::map<Tensor, int> nest_of_;
  std::vector<int> roots_;  // by nest: the node of its value
  int stage_ = 0;
  std::unordered_map<const ExprNode*, int> lowered_;  // of the current stage
  std::unordered_map<std::string, int> known_;        // of the current stage
};

}  // namespace

LoopNest lower(const KernelGroup& group, const std::vector<Dims>& apart) {
  LoopNest nest = Lowering(group).take();
  merge_loops(nest, apart);
  return nest;
}

void renumber_faults(LoopNest& nest, size_t by) {
  const auto renumber = [by](Address& address) {
    for (Guard& guard : address.guards)
      if (guard.fault != 0) guard.fault += static_cast<int64_t>(by);
  };
  for (Node& node : nest.nodes) renumber(node.address);
  for (Stage& stage : nest.stages) {
    for (std::vector<Store>* stores : {&stage.inner, &stage.outer}) {
      for (Store& store : *stores) {
        renumber(store.address);
        if (store.lost) renumber(*store.lost);
      }
    }
  }
}

}  // namespace tessera
