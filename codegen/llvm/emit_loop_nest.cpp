#include "codegen/llvm/emit_loop_nest.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

bool has(const std::vector<int>& loops, int loop) {
  return std::find(loops.begin(), loops.end(), loop) != loops.end();
}

// Emits the loops of a nest; the values at one point are ValueEmitter's.
class NestEmitter {
 public:
  NestEmitter(llvm::IRBuilderBase& builder, const LoopNest& nest, llvm::Function& function)
      : b_(builder), nest_(nest), function_(function), values_(builder, nest, function) {}

  void emit() {
    if (nest_.points > 0) {
      llvm::Value* begin = b_.CreateMul(function_.getArg(2), i64(nest_.grain));
      llvm::Value* end = b_.CreateBinaryIntrinsic(
          llvm::Intrinsic::smin, b_.CreateMul(function_.getArg(3), i64(nest_.grain)),
          i64(nest_.points));
      emit_for(b_, begin, end, 1, [&](llvm::Value* point) { emit_point(point); });
    }
    b_.CreateRetVoid();
  }

 private:
  using Body = std::function<void()>;

  llvm::Value* i64(int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); }
  int64_t extent(int loop) const { return nest_.loops[static_cast<size_t>(loop)].extent; }

  // Splits the number of a point into the values of the collapsed loops.
  void emit_point(llvm::Value* point) {
    values_.set_lanes(nest_.lane, nest_.lanes);
    const ValueEmitter::Scope scope(values_);
    bool ends = false;
    for (int i = nest_.collapsed - 1; i >= 0; --i) {
      const int loop = nest_.shared[static_cast<size_t>(i)];
      const int64_t trips = nest_.trips(loop);
      llvm::Value* value = i == 0 ? point : b_.CreateURem(point, i64(trips));
      if (i > 0) point = b_.CreateUDiv(point, i64(trips));
      if (loop == nest_.lane) value = b_.CreateNSWMul(value, i64(nest_.lanes));
      values_.bind(loop, value);
      ends = ends || (loop == nest_.lane && extent(loop) % nest_.lanes != 0);
    }
    if (!ends) {
      emit_shared();
      return;
    }
    // The last block of lanes is not full.
    llvm::Value* base = values_.bound(nest_.lane);
    const int64_t full = extent(nest_.lane) / nest_.lanes * nest_.lanes;
    emit_if(
        b_, b_.CreateICmpSLT(base, i64(full)),
        [&] {
          const ValueEmitter::Scope inside(values_);
          emit_shared();
        },
        [&] {
          const ValueEmitter::Scope inside(values_);
          values_.set_tail(extent(nest_.lane) - full);
          emit_shared();
        });
  }

  void emit_shared() {
    const std::vector<int> rest(nest_.shared.begin() + nest_.collapsed, nest_.shared.end());
    emit_loops(
        rest, 0, [] {},
        [&] {
          for (const Stage& stage : nest_.stages) {
            const ValueEmitter::Scope scope(values_);
            if (nest_.lane < 0) values_.set_lanes(stage.lane, stage.lanes);
            emit_stage(stage);
          }
        });
  }

  // Nested loops; `hoist` runs whenever one more loop has a value.
  void emit_loops(const std::vector<int>& loops, size_t at, const Body& hoist, const Body& body) {
    if (at == loops.size()) {
      body();
      return;
    }
    const int loop = loops[at];
    const auto inside = [&](llvm::Value* value) {
      const ValueEmitter::Scope scope(values_);
      values_.bind(loop, value);
      hoist();
      emit_loops(loops, at + 1, hoist, body);
    };
    if (loop != values_.lane()) {
      emit_for(b_, i64(0), i64(extent(loop)), 1, inside);
      return;
    }
    const int64_t full = extent(loop) / values_.lanes() * values_.lanes();
    if (full > 0) emit_for(b_, i64(0), i64(full), values_.lanes(), inside);
    if (full == extent(loop)) return;
    const ValueEmitter::Scope scope(values_);
    values_.set_tail(extent(loop) - full);
    inside(i64(full));
  }

  void emit_stage(const Stage& stage) {
    std::vector<int> roots;
    for (const Store& store : stage.inner) roots.push_back(store.node);
    for (int r : stage.reductions) roots.push_back(nest_.reductions[static_cast<size_t>(r)].node);
    const std::vector<int> hoistable = values_.always_evaluated(roots);
    const Body hoist = [&] { values_.hoist(hoistable); };
    hoist();
    emit_loops(stage.free, 0, hoist, [&] { emit_free_point(stage, hoist); });
  }

  void emit_free_point(const Stage& stage, const Body& hoist) {
    std::vector<llvm::AllocaInst*> sums;
    for (int r : stage.reductions) sums.push_back(start(stage, r));
    emit_loops(stage.reduced, 0, hoist, [&] { emit_inner(stage, sums); });
    if (stage.reductions.empty()) return;
    for (size_t i = 0; i < sums.size(); ++i) finish(stage, stage.reductions[i], sums[i]);
    std::vector<llvm::Value*> values;
    for (const Store& store : stage.outer) values.push_back(values_.value(store.node));
    for (size_t i = 0; i < values.size(); ++i) values_.store(stage.outer[i], values[i]);
  }

  // All loads of a point come before its stores, so that an output may lie where an input lay.
  void emit_inner(const Stage& stage, const std::vector<llvm::AllocaInst*>& sums) {
    std::vector<llvm::Value*> stored;
    for (const Store& store : stage.inner) stored.push_back(values_.value(store.node));
    std::vector<llvm::Value*> summed;
    for (int r : stage.reductions)
      summed.push_back(values_.value(nest_.reductions[static_cast<size_t>(r)].node));
    for (size_t i = 0; i < stored.size(); ++i) values_.store(stage.inner[i], stored[i]);
    for (size_t i = 0; i < summed.size(); ++i)
      accumulate(stage, stage.reductions[i], sums[i], summed[i]);
  }

  // --- Accumulators; those of booleans are bytes, which make better vectors than bits ---

  bool over_reduced(const Stage& stage) const { return has(stage.reduced, stage.lane); }

  llvm::AllocaInst* start(const Stage& stage, int r) {
    const Accumulation& reduction = nest_.reductions[static_cast<size_t>(r)];
    const int lanes = stage.lane >= 0 ? values_.lanes() : 0;
    llvm::AllocaInst* sum = emit_variable(b_, shaped(accumulator_type(reduction.type), lanes));
    b_.CreateStore(in_memory(identity_of(reduction, lanes)), sum);
    return sum;
  }

  llvm::Type* accumulator_type(DType type) {
    return type == DType::b8 ? b_.getInt8Ty() : register_type(b_.getContext(), type);
  }

  llvm::Value* identity_of(const Accumulation& reduction, int lanes) {
    return constant_of(b_.getContext(), identity(reduction.op, reduction.type), lanes);
  }

  llvm::Value* in_memory(llvm::Value* value) {
    if (!value->getType()->getScalarType()->isIntegerTy(1)) return value;
    return b_.CreateZExt(value, shaped(b_.getInt8Ty(), lanes_of(value)));
  }

  void accumulate(const Stage& stage, int r, llvm::AllocaInst* sum, llvm::Value* value) {
    const Accumulation& reduction = nest_.reductions[static_cast<size_t>(r)];
    const int lanes = lanes_of(sum->getAllocatedType());
    value = splat(b_, value, lanes);
    if (over_reduced(stage) && values_.tail() != nullptr)
      value = b_.CreateSelect(values_.tail(), value, identity_of(reduction, lanes));
    llvm::Value* before = b_.CreateLoad(sum->getAllocatedType(), sum);
    b_.CreateStore(emit_combine(b_, reduction.op, reduction.type, before, in_memory(value)), sum);
  }

  void finish(const Stage& stage, int r, llvm::AllocaInst* sum) {
    const Accumulation& reduction = nest_.reductions[static_cast<size_t>(r)];
    llvm::Value* value = b_.CreateLoad(sum->getAllocatedType(), sum);
    if (over_reduced(stage)) value = emit_fold(b_, reduction.op, reduction.type, value);
    if (reduction.type == DType::b8)
      value = b_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
    values_.set_result(r, value);
  }

  llvm::IRBuilderBase& b_;
  const LoopNest& nest_;
  llvm::Function& function_;
  ValueEmitter values_;
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
                               const std::string& symbol) {
  llvm::Function* function = declare_entry(module, symbol);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  NestEmitter(builder, nest, *function).emit();
  return function;
}

}  // namespace tessera
