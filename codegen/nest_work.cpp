#include "codegen/nest_work.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "codegen/interleave.h"
#include "codegen/lane_places.h"
#include "codegen/schedule_model.h"
#include "codegen/transposed_loads.h"

namespace tessera {
namespace {

uint64_t bit(int loop) {
  return uint64_t{1} << loop;
}

WorkKind work_of_float(Fn fn, bool wide) {
  switch (fn) {
    case Fn::min:
    case Fn::max:
      return WorkKind::extreme;
    case Fn::div:
      return wide ? WorkKind::divide64 : WorkKind::divide;
    case Fn::sqrt:
      return wide ? WorkKind::root64 : WorkKind::root;
    case Fn::exp:
      return wide ? WorkKind::exponential64 : WorkKind::exponential;
    case Fn::log:
      return wide ? WorkKind::logarithm64 : WorkKind::logarithm;
    case Fn::tanh:
      return wide ? WorkKind::hyperbolic64 : WorkKind::hyperbolic;
    case Fn::sigmoid:
      return wide ? WorkKind::sigmoid64 : WorkKind::sigmoid;
    case Fn::erf:
      return wide ? WorkKind::error64 : WorkKind::error;
    case Fn::sin:
    case Fn::cos:
      return wide ? WorkKind::wave64 : WorkKind::wave;
    case Fn::pow:
      return wide ? WorkKind::power64 : WorkKind::power;
    case Fn::floordiv:
    case Fn::mod:
      return wide ? WorkKind::modulo64 : WorkKind::modulo;
    default:
      return WorkKind::simple;
  }
}

WorkKind work_of_function(Fn fn, DType type) {
  if (fn == Fn::cast) return WorkKind::convert;
  if (fn == Fn::random_bits) return WorkKind::bits;
  if (is_float(type)) return work_of_float(fn, size_of(sum_type(type)) == 8);
  if (fn == Fn::mul) return WorkKind::integer_multiply;
  if (fn == Fn::floordiv || fn == Fn::mod) return WorkKind::integer_divide;
  return WorkKind::simple;
}

// The work of one stage.
class StageWork {
 public:
  StageWork(const LoopNest& nest, const Stage& stage, const VectorTarget& target,
            std::vector<WorkTerm>& terms)
      : nest_(nest),
        stage_(stage),
        target_(target),
        terms_(terms),
        use_(use_of(nest, stage)),
        lane_(nest.lane >= 0 ? nest.lane : stage.lane),
        lanes_(nest.lane >= 0 ? nest.lanes : stage.lanes) {
    outer_ = nest.shared;
    outer_.insert(outer_.end(), stage.free.begin(), stage.free.end());
    order_ = outer_;
    if (stage.scan)
      order_.push_back(stage.scan->in);
    else
      order_.insert(order_.end(), stage.reduced.begin(), stage.reduced.end());
  }

  void count() {
    for (size_t depth = 0; depth < order_.size(); ++depth)
      add(WorkKind::step, 1, first(depth + 1), 0);
    for (const int node : nodes_of(true)) count_node(node, order_);
    for (const int node : nodes_of(false)) count_node(node, outer_);
    const TransposedStores rows = transposed_stores(nest_);
    const bool inner_rows = stage_.reduced.empty();
    const auto count_stores = [&](const std::vector<Store>& stores, const std::vector<int>& order,
                                  bool may_be_rows) {
      for (size_t i = 0; i < stores.size(); ++i)
        count_store(stores[i], order,
                    may_be_rows && std::count(rows.stores.begin(), rows.stores.end(),
                                              static_cast<int>(i)) != 0);
    };
    count_stores(stage_.inner, order_, inner_rows);
    count_stores(stage_.outer, stage_.scan ? order_ : outer_, !inner_rows);
    for (const int reduction : stage_.reductions) count_reduction(reduction);
    count_stalls();
  }

 private:
  uint64_t first(size_t depth) const {
    uint64_t mask = 0;
    for (size_t i = 0; i < depth; ++i) mask |= bit(order_[i]);
    return mask;
  }

  // Every loop down to the innermost of `order` in the mask.
  uint64_t around(uint64_t mask, const std::vector<int>& order) const {
    if (stage_.scan && (mask & bit(stage_.scan->out)) != 0) mask |= bit(stage_.scan->in);
    uint64_t found = 0, all = 0;
    for (const int loop : order) {
      all |= bit(loop);
      if ((mask & bit(loop)) != 0) found = all;
    }
    return found;
  }

  bool varies(uint64_t mask) const { return lane_ >= 0 && (mask & bit(lane_)) != 0; }

  // `width` 0: once for all lanes.
  void add(WorkKind work, double count, uint64_t loops, int64_t width) {
    WorkTerm term{work, count, loops, -1, 1};
    if (varies(loops)) {
      term.loops &= ~bit(lane_);
      term.lane = lane_;
      term.width = width == 0 ? lanes_ : width;
    }
    terms_.push_back(term);
  }

  int64_t width_of(DType type) const {
    const int64_t bytes =
        type == DType::b8 ? use_.element_bytes : static_cast<int64_t>(size_of(sum_type(type)));
    return std::clamp<int64_t>(target_.vector_bytes / bytes, 1, std::max(1, lanes_));
  }

  // Of the stage's: those that its steps need, and those that only what follows a reduction does.
  std::vector<int> nodes_of(bool inner) const {
    std::set<int> seen;
    const auto collect = [&](const auto& self, int node) -> void {
      if (!seen.insert(node).second) return;
      const Node& n = nest_.nodes[static_cast<size_t>(node)];
      for (const int arg : n.args) self(self, arg);
      for (const auto& [term, stride] : n.address.terms) self(self, term);
      for (const Guard& guard : n.address.guards)
        if (guard.node >= 0) self(self, guard.node);
    };
    for (const Store& store : stage_.inner) {
      collect(collect, store.node);
      for (const auto& [term, stride] : store.address.terms) collect(collect, term);
    }
    for (const int r : stage_.reductions)
      collect(collect, nest_.reductions[static_cast<size_t>(r)].node);
    if (inner) return {seen.begin(), seen.end()};
    std::vector<int> rest;
    for (const int node : use_.nodes)
      if (seen.count(node) == 0) rest.push_back(node);
    return rest;
  }

  void count_node(int index, const std::vector<int>& order) {
    const Node& node = nest_.nodes[static_cast<size_t>(index)];
    const uint64_t loops = around(node.loops, order);
    if (node.kind == Node::Kind::load) {
      count_load(index, loops);
    } else if (node.kind == Node::Kind::loop) {
      add(varies(node.loops) ? WorkKind::simple : WorkKind::scalar, 1, loops,
          varies(node.loops) ? width_of(node.type) : 0);
    } else if (node.kind == Node::Kind::apply) {
      const DType argument = nest_.nodes[static_cast<size_t>(node.args[0])].type;
      const WorkKind work =
          work_of_function(node.fn, node.type == DType::b8 ? argument : node.type);
      const bool cheap =
          work == WorkKind::simple || work == WorkKind::extreme || work == WorkKind::convert;
      const int64_t width = std::min(width_of(node.type), width_of(argument));
      if (varies(node.loops))
        add(work, 1, loops, width);
      else
        add(cheap ? WorkKind::scalar : work, 1, loops, 0);
    }
  }

  void count_guards(const Address& address, uint64_t loops) {
    for (const Guard& guard : address.guards) {
      const bool vector = guard.node >= 0
                              ? varies(nest_.nodes[static_cast<size_t>(guard.node)].loops)
                              : lane_ >= 0 && guard.affine.coefficient(lane_) != 0;
      add(vector ? WorkKind::guard : WorkKind::scalar, 1, loops, vector ? width_of(DType::i32) : 0);
    }
  }

  bool is_guarded(const Address& address) const {
    return std::any_of(address.guards.begin(), address.guards.end(), [&](const Guard& guard) {
      return guard.node >= 0 ? varies(nest_.nodes[static_cast<size_t>(guard.node)].loops)
                             : lane_ >= 0 && guard.affine.coefficient(lane_) != 0;
    });
  }

  // How the lanes lie in memory: the step from one to the next; nothing: data says.
  std::optional<int64_t> lane_step(const Address& address) const {
    if (lane_ < 0) return 0;
    const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(address.buffer)];
    if (buffer.argument < 0 && nest_.lane >= 0) return 1;
    return step_of(nest_, address, lane_);
  }

  // Registers that are loaded for the lanes of one and permuted; 0: lanes are not near.
  int64_t near_registers(const Address& address, int64_t width) const {
    const auto places = lane_places(nest_, address, lane_, static_cast<int>(width));
    if (!places) return 0;
    const int64_t registers = registers_of(*places, static_cast<int>(width));
    return registers <= kMostNearRegisters ? registers : 0;
  }

  // Registers that are exchanged for each step of the innermost loop: rows are no shorter.
  double transposed_rows() const {
    const int64_t steps = nest_.loops[static_cast<size_t>(innermost_loop(nest_, stage_))].extent;
    return 1 + 4 / static_cast<double>(steps);
  }

  void count_load(int index, uint64_t loops) {
    const Node& node = nest_.nodes[static_cast<size_t>(index)];
    count_guards(node.address, loops);
    const std::optional<int64_t> step = lane_step(node.address);
    const DType stored = nest_.buffers[static_cast<size_t>(node.address.buffer)].type;
    const int64_t width = width_of(node.type);
    if (step == 0)
      add(WorkKind::load_same, 1, loops, 0);
    else if (step == 1)
      add(is_guarded(node.address) ? WorkKind::load_guarded : WorkKind::load, 1, loops, width);
    else if (const int64_t registers = near_registers(node.address, width); registers > 0)
      add(WorkKind::load_near, static_cast<double>(registers), loops, width);
    else if (std::count(stage_.transposed.begin(), stage_.transposed.end(), index) != 0)
      add(WorkKind::load_transposed, transposed_rows(), loops, width);
    else
      add(step ? WorkKind::load_apart : WorkKind::load_through, 1, loops, 1);
    if (sum_type(stored) != stored) add(WorkKind::convert, 1, loops, step == 0 ? 0 : width);
  }

  void count_store(const Store& store, const std::vector<int>& order, bool in_rows) {
    uint64_t loops = 0;
    for (const int loop : order) loops |= bit(loop);
    count_guards(store.address, loops);
    const DType stored = nest_.buffers[static_cast<size_t>(store.address.buffer)].type;
    const int64_t width = width_of(stored);
    const std::optional<int64_t> step = varies(loops) ? lane_step(store.address) : 0;
    if (store.accumulate) {
      add(WorkKind::scatter, store.lost ? 2 : 1, loops, step == 1 ? width : 1);
      return;
    }
    if (step == 0)
      add(WorkKind::store_one, 1, loops, 0);
    else if (step == 1)
      add(WorkKind::store, 1, loops, width);
    else if (in_rows)
      add(WorkKind::load_transposed, 1, loops, width);  // the same exchange of registers
    else
      add(WorkKind::store_apart, 1, loops, 1);
    if (sum_type(stored) != stored) add(WorkKind::convert, 2, loops, step == 0 ? 0 : width);
  }

  void count_reduction(int index) {
    const Accumulation& reduction = nest_.reductions[static_cast<size_t>(index)];
    uint64_t all = 0, outside = 0;
    for (const int loop : order_) all |= bit(loop);
    for (const int loop : outer_) outside |= bit(loop);
    const bool extreme = is_extreme(reduction);
    const int64_t width = width_of(reduction.type);
    add(extreme ? WorkKind::extreme : WorkKind::simple, 1, all, width);
    if (stage_.scan && lane_ == stage_.scan->in) add(WorkKind::running, 1, all, width);
    add(WorkKind::finish, 1, outside, 0);
    if (std::count(stage_.reduced.begin(), stage_.reduced.end(), lane_) != 0)
      add(WorkKind::fold, 1, outside, 0);
  }

  static bool is_extreme(const Accumulation& reduction) {
    return (reduction.op == ReduceOp::max || reduction.op == ReduceOp::min) &&
           is_float(reduction.type);
  }

  // A running value is ready for the next step some cycles after it was for the last one.
  void count_stalls() {
    const double stalled = stalled_cycles(nest_, stage_, target_);
    if (stalled > 0) add(WorkKind::stall, stalled, first(order_.size()), 0);
  }

  const LoopNest& nest_;
  const Stage& stage_;
  const VectorTarget& target_;
  std::vector<WorkTerm>& terms_;
  const StageUse use_;
  const int lane_;
  const int lanes_;
  std::vector<int> outer_, order_;  // loops, outermost first: around reductions, and all
};

}  // namespace

double WorkTerm::steps(std::span<const double> extents) const {
  double product = 1;
  for (uint64_t left = loops; left != 0; left &= left - 1)
    product *= extents[static_cast<size_t>(std::countr_zero(left))];
  if (lane >= 0)
    product *= std::ceil(extents[static_cast<size_t>(lane)] / static_cast<double>(width));
  return product;
}

std::vector<WorkTerm> work_of(const LoopNest& nest, const VectorTarget& target) {
  std::vector<WorkTerm> terms;
  WorkTerm point{WorkKind::point, static_cast<double>(nest.collapsed), 0, -1, 1};
  for (int i = 0; i < nest.collapsed; ++i) {
    const int loop = nest.shared[static_cast<size_t>(i)];
    if (loop != nest.lane) {
      point.loops |= bit(loop);
      continue;
    }
    point.lane = loop;
    point.width = nest.lanes;
  }
  terms.push_back(point);
  for (const Stage& stage : nest.stages) StageWork(nest, stage, target, terms).count();
  return terms;
}

}  // namespace tessera
