#include "codegen/llvm/gpu/emit_gpu_nest.h"

#include <algorithm>
#include <limits>

#include "codegen/llvm/accumulators.h"
#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/gpu/combine_threads.h"
#include "codegen/llvm/scan_steps.h"

namespace tessera {
namespace {

class GpuNestEmitter {
 public:
  GpuNestEmitter(llvm::IRBuilderBase& builder, const GpuNest& gpu, llvm::Function& function,
                 const std::string& symbol, GpuMachine machine)
      : b_(builder), nest_(gpu.nest), schedule_(gpu.schedule), threads_(builder, machine) {
    thread_ = threads_.thread();
    llvm::Value* p = digit(thread_, schedule_.points_inner ? 1 : schedule_.team, schedule_.points);
    member_ = digit(thread_, schedule_.points_inner ? schedule_.points : 1, schedule_.team);
    llvm::Value* block = b_.CreateZExt(threads_.block(), b_.getInt64Ty());
    point_ = b_.CreateNSWAdd(b_.CreateNSWMul(block, i64(schedule_.points)),
                             b_.CreateZExt(p, b_.getInt64Ty()));
    if (nest_.points % schedule_.points != 0) active_ = b_.CreateICmpSLT(point_, i64(nest_.points));
    llvm::Value* scratch = nullptr;
    if (schedule_.shared_bytes() > 0) {
      room_ = threads_.shared(schedule_.shared_bytes(), symbol + "_shared");
      llvm::Value* after = b_.CreateConstGEP1_64(b_.getInt8Ty(), room_, schedule_.combine_bytes);
      llvm::Value* offset =
          b_.CreateMul(p, b_.getInt32(static_cast<uint32_t>(schedule_.point_bytes)));
      scratch = b_.CreateGEP(b_.getInt8Ty(), after, offset);
    }
    std::vector<llvm::Value*> buffers;
    for (const NestBuffer& buffer : nest_.buffers)
      buffers.push_back(
          buffer.argument >= 0
              ? function.getArg(static_cast<unsigned>(buffer.argument))
              : b_.CreateConstGEP1_64(b_.getInt8Ty(), scratch, buffer.scratch_offset));
    values_.emplace(b_, nest_, std::move(buffers), function.getArg(function.arg_size() - 1),
                    static_cast<int>(kGpuVectorBytes), kGpuVectorBytes);
  }

  void emit() {
    values_->set_lanes(nest_.lane, nest_.lanes);
    bind_flat(nest_.shared, point_, nest_.points);
    for (size_t s = 0; s < nest_.stages.size(); ++s) {
      if (s > 0 && schedule_.team > 1) threads_.barrier();
      const ValueEmitter::Scope scope(*values_);
      const Stage& stage = nest_.stages[s];
      if (nest_.lane < 0) values_->set_lanes(stage.lane, stage.lanes);
      emit_stage(stage, schedule_.stages[s]);
    }
    b_.CreateRetVoid();
  }

 private:
  using Body = std::function<void()>;

  llvm::Value* i64(int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); }
  int64_t extent(int loop) const { return nest_.loops[static_cast<size_t>(loop)].extent; }
  int64_t trips(int loop) const {
    return extent(loop) / (loop == values_->lane() ? values_->lanes() : 1);
  }
  int64_t trips(const std::vector<int>& loops) const {
    int64_t product = 1;
    for (const int loop : loops) product *= trips(loop);
    return product;
  }

  // (value / unit) % count, both powers of two.
  llvm::Value* digit(llvm::Value* value, int unit, int count) {
    if (count == 1) return b_.getInt32(0);
    if (unit > 1) value = b_.CreateUDiv(value, b_.getInt32(static_cast<uint32_t>(unit)));
    return b_.CreateURem(value, b_.getInt32(static_cast<uint32_t>(count)));
  }

  // Binds loops to the digits of a number below `limit`, with 32 bits where they suffice.
  void bind_flat(const std::vector<int>& loops, llvm::Value* number, int64_t limit) {
    const bool small = limit < std::numeric_limits<int32_t>::max();
    llvm::Type* type = small ? b_.getInt32Ty() : b_.getInt64Ty();
    if (loops.size() > 1) number = b_.CreateTrunc(number, type);
    for (size_t i = loops.size(); i-- > 0;) {
      llvm::Value* value = number;
      if (i > 0) {
        llvm::Value* count = llvm::ConstantInt::get(
            type, static_cast<uint64_t>(std::max<int64_t>(1, trips(loops[i]))));
        value = b_.CreateURem(number, count);
        number = b_.CreateUDiv(number, count);
      }
      value = b_.CreateZExt(value, b_.getInt64Ty());
      if (loops[i] == values_->lane()) value = b_.CreateNSWMul(value, i64(values_->lanes()));
      values_->bind(loops[i], value);
    }
  }

  void where(llvm::Value* condition, const Body& body) {
    if (condition == nullptr) {
      body();
      return;
    }
    emit_if(b_, condition, [&] {
      const ValueEmitter::Scope scope(*values_);
      body();
    });
  }
  llvm::Value* both(llvm::Value* x, llvm::Value* y) {
    return x == nullptr ? y : y == nullptr ? x : b_.CreateAnd(x, y);
  }

  void emit_stage(const Stage& stage, const GpuStage& shares) {
    const int inner = schedule_.points_inner ? schedule_.points : 1;  // thread's step of a member
    const int free_unit = shares.reduced_inner ? shares.reduce_threads : 1;
    const int reduce_unit = shares.reduced_inner ? 1 : shares.free_threads;
    llvm::Value* free_member = digit(member_, free_unit, shares.free_threads);
    first_step_ =
        b_.CreateZExt(digit(member_, reduce_unit, shares.reduce_threads), b_.getInt64Ty());
    group_ = {inner * reduce_unit, shares.reduce_threads};
    const int64_t count = trips(stage.free);
    const auto at = [&](llvm::Value* from) {
      llvm::Value* index = from;
      if (shares.free_threads > 1)
        index = b_.CreateNSWAdd(from, b_.CreateZExt(free_member, b_.getInt64Ty()));
      llvm::Value* inside =
          count % shares.free_threads == 0 ? nullptr : b_.CreateICmpSLT(index, i64(count));
      const ValueEmitter::Scope scope(*values_);
      bind_flat(stage.free, index, count);
      emit_free_point(stage, both(active_, inside));
    };
    if (count <= shares.free_threads && count > 0)
      at(i64(0));
    else
      emit_for(b_, i64(0), i64(count), shares.free_threads, at);
  }

  Body hoist_of(const Stage& stage) {
    std::vector<int> roots;
    for (const Store& store : stage.inner) roots.push_back(store.node);
    for (int r : stage.reductions) roots.push_back(nest_.reductions[static_cast<size_t>(r)].node);
    return [this, nodes = values_->always_evaluated(roots)] { values_->hoist(nodes); };
  }

  void emit_free_point(const Stage& stage, llvm::Value* here) {
    Accumulators sums(b_, nest_, stage, *values_);
    if (stage.scan) {
      where(here, [&] { emit_scan(stage, sums); });
      return;
    }
    const int64_t steps = trips(stage.reduced);
    const int64_t each = (steps + group_.count - 1) / group_.count;
    const bool in_blocks = sums.lose_digits() && each > kPlainTerms;
    sums.start(in_blocks);
    where(here, [&] { emit_steps(stage, sums, steps, in_blocks); });
    if (stage.reductions.empty()) return;
    if (group_.count == 1) {
      where(here, [&] {
        sums.finish();
        emit_outer(stage);
      });
      return;
    }
    sums.finish([&](const Accumulation& reduction, llvm::Value* value) {
      return emit_combine_threads(b_, threads_, group_, reduction, value, room_);
    });
    where(both(here, b_.CreateICmpEQ(first_step_, i64(0))), [&] { emit_outer(stage); });
  }

  // This thread's steps of the reduced loops, in blocks of plain terms where sums are long.
  void emit_steps(const Stage& stage, Accumulators& sums, int64_t steps, bool in_blocks) {
    const Body hoist = hoist_of(stage);
    hoist();
    const auto step = [&](llvm::Value* at) {
      const ValueEmitter::Scope scope(*values_);
      bind_flat(stage.reduced, at, steps);
      hoist();
      emit_inner(stage, sums);
    };
    if (stage.reduced.empty()) {
      step(i64(0));
      return;
    }
    if (!in_blocks) {
      emit_for(b_, first_step_, i64(steps), group_.count, step);
      return;
    }
    const int64_t block = kPlainTerms * group_.count;
    emit_for(b_, first_step_, i64(steps), block, [&](llvm::Value* from) {
      sums.begin_block();
      llvm::Value* to = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin,
                                                 b_.CreateNSWAdd(from, i64(block)), i64(steps));
      emit_for(b_, from, to, group_.count, step);
      sums.end_block();
    });
  }

  // All loads of a point come before its stores, so that an output may lie where an input lay.
  void emit_inner(const Stage& stage, Accumulators& sums) {
    std::vector<llvm::Value*> stored, summed;
    for (const Store& store : stage.inner) stored.push_back(values_->value(store.node));
    for (int r : stage.reductions)
      summed.push_back(values_->value(nest_.reductions[static_cast<size_t>(r)].node));
    for (size_t i = 0; i < stored.size(); ++i) values_->store(stage.inner[i], stored[i]);
    for (size_t i = 0; i < summed.size(); ++i) sums.add(i, summed[i]);
  }

  void emit_outer(const Stage& stage) {
    std::vector<llvm::Value*> stored;
    for (const Store& store : stage.outer) stored.push_back(values_->value(store.node));
    for (size_t i = 0; i < stored.size(); ++i) values_->store(stage.outer[i], stored[i]);
  }

  void emit_scan(const Stage& stage, Accumulators& sums) {
    const Body hoist = hoist_of(stage);
    hoist();
    sums.start(true);
    const ScanLoops& scan = *stage.scan;
    emit_scan_steps(
        b_, scan, scan_range(nest_, scan),
        [&](llvm::Value* in) {
          const ValueEmitter::Scope scope(*values_);
          values_->bind(scan.in, in);
          hoist();
          sums.begin_block();
          emit_inner(stage, sums);
          sums.end_block();
        },
        [&](llvm::Value* out) {
          const ValueEmitter::Scope scope(*values_);
          values_->bind(scan.out, out);
          sums.finish();
          emit_outer(stage);
        });
  }

  llvm::IRBuilderBase& b_;
  const LoopNest& nest_;
  const GpuSchedule& schedule_;
  GpuThreads threads_;
  std::optional<ValueEmitter> values_;
  llvm::Value* thread_ = nullptr;
  llvm::Value* member_ = nullptr;  // of the team
  llvm::Value* point_ = nullptr;
  llvm::Value* active_ = nullptr;  // i1: the point exists; null: always
  llvm::Value* room_ = nullptr;    // shared memory: to combine, then scratch
  // Of the current stage: this thread's first step of the reduced loops, and who has the others.
  llvm::Value* first_step_ = nullptr;
  ThreadGroup group_;
};

}  // namespace

void emit_gpu_nest(llvm::Module& module, const GpuNest& nest, const std::string& symbol,
                   GpuMachine machine) {
  llvm::Function* function =
      declare_gpu_kernel(module, symbol, nest.nest.arguments, nest.schedule.threads(), machine);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  GpuNestEmitter(builder, nest, *function, symbol, machine).emit();
}

}  // namespace tessera
