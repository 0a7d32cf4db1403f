#include "codegen/llvm/emit_loop_nest.h"

#include <algorithm>
#include <optional>

#include "codegen/interleave.h"
#include "codegen/llvm/accumulators.h"
#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/emit_points.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"
#include "codegen/llvm/scan_steps.h"
#include "codegen/llvm/waiting_rows.h"
#include "codegen/read_ahead.h"
#include "codegen/stage_results.h"
#include "codegen/transposed_loads.h"

namespace tessera {
namespace {

// Emits the loops of a nest; the values at one point are ValueEmitter's.
class NestEmitter {
 public:
  NestEmitter(llvm::IRBuilderBase& builder, const LoopNest& nest, llvm::Function& function,
              const VectorTarget& target)
      : b_(builder),
        nest_(nest),
        function_(function),
        target_(target),
        ahead_(read_ahead(nest, target.l2_bytes)),
        values_(builder, nest, function, target.vector_bytes),
        rows_(builder, nest, values_) {}

  void emit() {
    if (nest_.points > 0 && nest_.strip > 0) {
      emit_for(b_, function_.getArg(2), function_.getArg(3), 1, [&](llvm::Value* chunk) {
        emit_strips(first_point(chunk), first_point(b_.CreateNSWAdd(chunk, i64(1))));
      });
    } else if (nest_.points > 0) {
      // What the outer ones decide is evaluated once a row.
      const Body hoist = hoist_of_all();
      emit_points(b_, values_, nest_, first_point(function_.getArg(2)),
                  first_point(function_.getArg(3)), hoist, [&] { emit_shared(); });
    }
    // Whoever is told that the kernel is done sees what went past the caches.
    if (std::any_of(nest_.buffers.begin(), nest_.buffers.end(),
                    [](const NestBuffer& buffer) { return buffer.past_caches; }))
      b_.CreateFence(llvm::AtomicOrdering::SequentiallyConsistent);
    b_.CreateRetVoid();
  }

 private:
  using Body = std::function<void()>;

  llvm::Value* i64(int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); }
  llvm::Value* first_point(llvm::Value* chunk) {
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b_.CreateMul(chunk, i64(nest_.grain)),
                                    i64(nest_.points));
  }
  int64_t extent(int loop) const { return nest_.loops[static_cast<size_t>(loop)].extent; }

  // The points' running values lie in scratch while others make the steps of a strip.
  void emit_strips(llvm::Value* begin, llvm::Value* end) {
    const Stage& stage = nest_.stages[0];
    Accumulators sums(b_, nest_, stage, values_);
    const auto each_point = [&](const std::function<void(llvm::Value*)>& body) {
      emit_for(b_, begin, end, 1, [&](llvm::Value* point) {
        llvm::Value* offset =
            b_.CreateNSWAdd(b_.CreateNSWMul(b_.CreateNSWSub(point, begin),
                                            i64(static_cast<int64_t>(nest_.strip_bytes()))),
                            i64(static_cast<int64_t>(nest_.strip_offset)));
        llvm::Value* memory = b_.CreateGEP(b_.getInt8Ty(), function_.getArg(1), offset);
        emit_point(b_, values_, nest_, point, [&] { body(memory); });
      });
    };
    each_point([&](llvm::Value* memory) { sums.start_at(memory); });
    const int64_t steps = extent(stage.reduced[0]);
    emit_for(b_, i64(0), i64((steps + nest_.strip - 1) / nest_.strip * nest_.strip), nest_.strip,
             [&](llvm::Value* from) {
               llvm::Value* to = b_.CreateBinaryIntrinsic(
                   llvm::Intrinsic::smin, b_.CreateNSWAdd(from, i64(nest_.strip)), i64(steps));
               each_point([&](llvm::Value* memory) {
                 sums.resume_at(memory);
                 emit_strip(stage, sums, from, to);
               });
             });
    each_point([&](llvm::Value* memory) {
      sums.resume_at(memory);
      sums.finish();
      emit_outer(stage);
    });
  }

  void emit_strip(const Stage& stage, Accumulators& sums, llvm::Value* from, llvm::Value* to) {
    const Body hoist = hoist_of(stage);
    hoist();
    sums.begin_block();
    emit_for(b_, from, to, 1, [&](llvm::Value* step) {
      const ValueEmitter::Scope scope(values_);
      values_.bind(stage.reduced[0], step);
      hoist();
      emit_loops(stage.reduced, 1, hoist, [&] { emit_inner(stage, sums); });
    });
    sums.end_block();
  }

  void emit_shared() {
    const std::vector<int> rest(nest_.shared.begin() + nest_.collapsed, nest_.shared.end());
    const Body hoist = hoist_of_all();
    hoist();
    emit_loops(rest, 0, hoist, [&] {
      for (const Stage& stage : nest_.stages) {
        const ValueEmitter::Scope scope(values_);
        if (nest_.lane < 0) values_.set_lanes(stage.lane, stage.lanes);
        emit_stage(stage);
      }
    });
  }

  // Where a reduction over many points is cut into blocks: the loop at `depth` into pieces of
  // `steps` steps, each between `begin` and `end`.
  struct Blocks {
    size_t depth = 0;
    int64_t steps = 1;
    Body begin, end;
  };

  // Nested loops; `hoist` runs whenever one more loop has a value.
  void emit_loops(const std::vector<int>& loops, size_t at, const Body& hoist, const Body& body,
                  const Blocks* blocks = nullptr) {
    if (at == loops.size()) {
      body();
      return;
    }
    const int loop = loops[at];
    const Blocks* cut = blocks != nullptr && blocks->depth == at ? blocks : nullptr;
    const auto inside = [&](llvm::Value* value) {
      const ValueEmitter::Scope scope(values_);
      values_.bind(loop, value);
      hoist();
      emit_loops(loops, at + 1, hoist, body, blocks);
    };
    if (loop == rows_.loop()) {
      rows_.emit(inside);
      return;
    }
    if (loop != values_.lane()) {
      const std::vector<int> across = at + 1 == loops.size() ? across_of(loop) : std::vector<int>{};
      if (across.empty())
        emit_range(extent(loop), 1, cut, at + 1 == loops.size(), inside);
      else
        emit_across(loop, across, cut, inside);
      return;
    }
    const int64_t full = extent(loop) / values_.lanes() * values_.lanes();
    if (full > 0) emit_range(full, values_.lanes(), cut, at + 1 == loops.size(), inside);
    if (full == extent(loop)) return;
    const ValueEmitter::Scope scope(values_);
    values_.set_tail(extent(loop) - full);
    if (cut != nullptr) cut->begin();
    inside(i64(full));
    if (cut != nullptr) cut->end();
  }

  // Of the stage that runs within `loop` and no loop of its own more: what is read along it.
  std::vector<int> across_of(int loop) const {
    const Stage* stage = stage_ != nullptr || nest_.stages.size() != 1 ? stage_ : &nest_.stages[0];
    if (stage == nullptr || innermost_loop(nest_, *stage) != loop) return {};
    return stage->transposed;
  }

  // The loop in blocks of steps that make squares with the lanes.
  void emit_across(int loop, const std::vector<int>& nodes, const Blocks* cut,
                   const std::function<void(llvm::Value*)>& inside) {
    int64_t steps = values_.lanes();
    for (const int node : nodes) steps = std::min(steps, values_.square_of(node));
    std::vector<llvm::Value*> memory;
    for (const int node : nodes)
      memory.push_back(emit_variable(
          b_, llvm::ArrayType::get(values_.vector_of(node), static_cast<uint64_t>(steps))));
    const auto block = [&](llvm::Value* from, int64_t count) {
      const ValueEmitter::Scope scope(values_);
      values_.bind(loop, from);
      for (size_t i = 0; i < nodes.size(); ++i) values_.load_transposed(nodes[i], count, memory[i]);
      emit_steps_in_turns(i64(0), i64(count), 1, true, [&](llvm::Value* step) {
        const ValueEmitter::Scope at_step(values_);
        for (size_t i = 0; i < nodes.size(); ++i) {
          llvm::Type* vector = values_.vector_of(nodes[i]);
          values_.know(nodes[i], b_.CreateLoad(vector, b_.CreateGEP(vector, memory[i], step)));
        }
        inside(b_.CreateNSWAdd(from, step));
      });
    };
    std::optional<Blocks> fewer;
    if (cut != nullptr)
      fewer = Blocks{cut->depth, std::max<int64_t>(1, cut->steps / steps), cut->begin, cut->end};
    const int64_t full = extent(loop) / steps * steps;
    if (full > 0)
      emit_range(full, steps, fewer ? &*fewer : nullptr, false,
                 [&](llvm::Value* from) { block(from, steps); });
    if (full == extent(loop)) return;
    if (cut != nullptr) cut->begin();
    block(i64(full), extent(loop) - full);
    if (cut != nullptr) cut->end();
  }

  // With several running values of each reduction, so many steps of the loop around the body of the
  // reduction at a time.
  void emit_steps_in_turns(llvm::Value* begin, llvm::Value* end, int64_t step, bool innermost,
                           const std::function<void(llvm::Value*)>& inside) {
    const int turns = innermost && sums_ != nullptr ? sums_->turns() : 1;
    llvm::Value* rest = begin;
    if (turns > 1) {
      llvm::Value* whole = b_.CreateSDiv(b_.CreateNSWSub(end, begin), i64(step * turns));
      rest = b_.CreateNSWAdd(begin, b_.CreateNSWMul(whole, i64(step * turns)));
      emit_for(b_, begin, rest, step * turns, [&](llvm::Value* from) {
        for (int turn = 0; turn < turns; ++turn) {
          sums_->take_turn(turn);
          inside(b_.CreateNSWAdd(from, i64(step * turn)));
        }
        sums_->take_turn(0);
      });
    }
    emit_for(b_, rest, end, step, inside);
  }

  void emit_range(int64_t end, int64_t step, const Blocks* cut, bool innermost,
                  const std::function<void(llvm::Value*)>& inside) {
    if (cut == nullptr) {
      emit_steps_in_turns(i64(0), i64(end), step, innermost, inside);
      return;
    }
    const int64_t piece = step * cut->steps;
    emit_for(b_, i64(0), i64(end), piece, [&](llvm::Value* from) {
      cut->begin();
      llvm::Value* to = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin,
                                                 b_.CreateNSWAdd(from, i64(piece)), i64(end));
      emit_steps_in_turns(from, to, step, innermost, inside);
      cut->end();
    });
  }

  Body hoist_of(const Stage& stage) {
    std::vector<int> roots;
    for (const Store& store : stage.inner) roots.push_back(store.node);
    for (int r : stage.reductions) roots.push_back(nest_.reductions[static_cast<size_t>(r)].node);
    return [this, nodes = values_.always_evaluated(roots)] { values_.hoist(nodes); };
  }

  // What depends on some of the shared loops only, and on no stage: what none writes holds what it
  // held. What may fault waits for the point that needs it.
  Body hoist_of_all() {
    std::vector<int> roots;
    for (const Stage& stage : nest_.stages) {
      for (const Store& store : stage.inner) roots.push_back(store.node);
      for (int r : stage.reductions) roots.push_back(nest_.reductions[static_cast<size_t>(r)].node);
    }
    std::vector<int> nodes = values_.always_evaluated(roots);
    const std::vector<bool> depends = depends_on_stage(nest_);
    std::erase_if(nodes, [&](int n) {
      const auto at = static_cast<size_t>(n);
      return nest_.nodes[at].faulting || depends[at];
    });
    return [this, nodes = std::move(nodes)] { values_.hoist(nodes); };
  }

  void emit_stage(const Stage& stage) {
    const Body hoist = hoist_of(stage);
    hoist();
    stage_ = &stage;
    emit_loops(stage.free, 0, hoist, [&] { emit_free_point(stage, hoist); });
    stage_ = nullptr;
  }

  void emit_free_point(const Stage& stage, const Body& hoist) {
    Accumulators sums(b_, nest_, stage, values_, interleaved_steps(nest_, stage, target_));
    if (stage.scan) {
      emit_scan(stage, hoist, sums);
      return;
    }
    const std::optional<Blocks> blocks = blocks_of(stage, sums);
    sums.start(blocks.has_value());
    sums_ = &sums;
    emit_loops(
        stage.reduced, 0, hoist, [&] { emit_inner(stage, sums); }, blocks ? &*blocks : nullptr);
    sums_ = nullptr;
    if (stage.reductions.empty()) return;
    sums.finish();
    emit_outer(stage);
  }

  void emit_outer(const Stage& stage) {
    std::vector<llvm::Value*> values;
    for (const Store& store : stage.outer) values.push_back(values_.value(store.node));
    rows_.store(stage.outer, values);
  }

  // As many of the innermost steps as are summed one after the other; nothing where that is all of
  // them, or where no digits are lost.
  std::optional<Blocks> blocks_of(const Stage& stage, Accumulators& sums) {
    if (!sums.lose_digits()) return std::nullopt;
    int64_t inner = 1;
    for (size_t depth = stage.reduced.size(); depth-- > 0;) {
      const int loop = stage.reduced[depth];
      const int64_t lanes = loop == values_.lane() ? values_.lanes() : 1;
      const int64_t trips = (extent(loop) + lanes - 1) / lanes;
      if (trips > kPlainTerms / inner)
        return Blocks{depth, std::max<int64_t>(1, kPlainTerms / inner),
                      [&sums] { sums.begin_block(); }, [&sums] { sums.end_block(); }};
      inner *= std::max<int64_t>(1, trips);
    }
    return std::nullopt;
  }

  // One step for each index of `in`, and before the first and after the last one those that the
  // offset adds.
  void emit_scan(const Stage& stage, const Body& hoist, Accumulators& sums) {
    const ScanLoops& scan = *stage.scan;
    const ScanRange range = scan_range(nest_, scan);
    const auto [ins, outs, low, end] = range;
    sums.start(true);
    if (stage.lane != scan.in) {
      emit_steps(stage, hoist, sums, range);
      return;
    }
    // Where there are both an index to take in and one to store at, in vectors.
    const int64_t both_end = std::max(low, std::min(ins, outs + scan.offset));
    const int64_t both_low = std::clamp<int64_t>(std::max<int64_t>(0, scan.offset), low, both_end);
    const auto single = [&](int64_t from, int64_t to) {
      const ValueEmitter::Scope scope(values_);
      values_.set_lanes(-1, 1);
      emit_steps(stage, hoist, sums, {range.ins, range.outs, from, to});
    };
    if (scan.descending) {
      single(both_end, end);
    } else {
      single(low, both_low);
    }
    emit_scan_vectors(stage, hoist, sums, both_low, both_end);
    if (scan.descending) {
      single(low, both_low);
    } else {
      single(both_end, end);
    }
  }

  void emit_steps(const Stage& stage, const Body& hoist, Accumulators& sums,
                  const ScanRange& range) {
    const ScanLoops& scan = *stage.scan;
    emit_scan_steps(
        b_, scan, range,
        [&](llvm::Value* in) {
          const ValueEmitter::Scope scope(values_);
          values_.bind(scan.in, in);
          hoist();
          sums.begin_block();
          emit_inner(stage, sums);
          sums.end_block();
        },
        [&](llvm::Value* out) {
          const ValueEmitter::Scope scope(values_);
          values_.bind(scan.out, out);
          sums.finish();
          emit_outer(stage);
        });
  }

  // The same, all lanes of `in` at once. The last vector need not be full.
  void emit_scan_vectors(const Stage& stage, const Body& hoist, Accumulators& sums, int64_t low,
                         int64_t end) {
    const ScanLoops& scan = *stage.scan;
    const int lanes = values_.lanes();
    const int64_t vectors = (end - low) / lanes;
    const int64_t rest = (end - low) % lanes;
    emit_for(b_, i64(0), i64(vectors * lanes), lanes, [&](llvm::Value* step) {
      emit_scan_vector(stage, hoist, sums,
                       scan.descending ? b_.CreateNSWSub(i64(end - lanes), step)
                                       : b_.CreateNSWAdd(i64(low), step),
                       0);
    });
    if (rest > 0)
      emit_scan_vector(stage, hoist, sums, i64(scan.descending ? low : end - rest), rest);
  }

  void emit_scan_vector(const Stage& stage, const Body& hoist, Accumulators& sums, llvm::Value* in,
                        int64_t count) {
    const ScanLoops& scan = *stage.scan;
    const ValueEmitter::Scope scope(values_);
    if (count != 0) values_.set_tail(count);
    values_.bind(scan.in, in);
    hoist();
    std::vector<llvm::Value*> taken;
    for (int r : stage.reductions)
      taken.push_back(values_.value(nest_.reductions[static_cast<size_t>(r)].node));
    values_.set_lanes(scan.out, values_.lanes());
    if (count != 0) values_.set_tail(count);
    values_.bind(scan.out, b_.CreateNSWSub(in, i64(scan.offset)));
    for (size_t i = 0; i < taken.size(); ++i)
      sums.take_in(i, taken[i], scan.descending ? Running::down : Running::up,
                   target_.vector_bytes);
    emit_outer(stage);
  }

  // All loads of a point come before its stores, so that an output may lie where an input lay.
  void emit_inner(const Stage& stage, Accumulators& sums) {
    std::vector<llvm::Value*> stored;
    for (const Store& store : stage.inner) stored.push_back(values_.value(store.node));
    std::vector<llvm::Value*> summed;
    for (int r : stage.reductions)
      summed.push_back(values_.value(nest_.reductions[static_cast<size_t>(r)].node));
    if (&stage == &nest_.stages.back())
      for (const Address& address : ahead_) values_.fetch(address);
    rows_.store(stage.inner, stored);
    for (size_t i = 0; i < summed.size(); ++i) sums.add(i, summed[i]);
  }

  llvm::IRBuilderBase& b_;
  const LoopNest& nest_;
  llvm::Function& function_;
  const VectorTarget& target_;
  const std::vector<Address> ahead_;
  const Stage* stage_ = nullptr;  // whose own loops are being emitted
  Accumulators* sums_ = nullptr;  // whose reduced loops are being emitted
  ValueEmitter values_;
  WaitingRows rows_;
};

}  // namespace

llvm::Function* declare_entry(llvm::Module& module, const std::string& symbol) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::get(context, 0);
  llvm::Type* i64 = llvm::Type::getInt64Ty(context);
  llvm::FunctionType* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                                     {pointer, pointer, i64, i64, pointer}, false);
  llvm::Function* function =
      llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  return function;
}

llvm::Function* emit_loop_nest(llvm::Module& module, const LoopNest& nest,
                               const std::string& symbol, const VectorTarget& target) {
  llvm::Function* function = declare_entry(module, symbol);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  NestEmitter(builder, nest, *function, target).emit();
  return function;
}

}  // namespace tessera
