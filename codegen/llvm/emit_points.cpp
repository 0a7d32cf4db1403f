#include "codegen/llvm/emit_points.h"

#include "codegen/llvm/frame.h"

namespace tessera {
namespace {

llvm::Value* whole(llvm::IRBuilderBase& b, int64_t value) {
  return b.getInt64(static_cast<uint64_t>(value));
}

// Splits a number into the values of the collapsed loops from `first` to `end`.
void bind_collapsed(llvm::IRBuilderBase& b, ValueEmitter& values, const LoopNest& nest,
                    llvm::Value* number, int first, int end, const std::function<void()>& body) {
  bool lanes_end = false;
  for (int i = end - 1; i >= first; --i) {
    const int loop = nest.shared[static_cast<size_t>(i)];
    llvm::Value* trips = whole(b, nest.trips(loop));
    llvm::Value* value = i == first ? number : b.CreateURem(number, trips);
    if (i > first) number = b.CreateUDiv(number, trips);
    if (loop == nest.lane) {
      value = b.CreateNSWMul(value, whole(b, nest.lanes));
      lanes_end = nest.loops[static_cast<size_t>(loop)].extent % nest.lanes != 0;
    }
    values.bind(loop, value);
  }
  if (!lanes_end) return body();
  // The last block of lanes is not full.
  const int64_t extent = nest.loops[static_cast<size_t>(nest.lane)].extent;
  const int64_t full = extent / nest.lanes * nest.lanes;
  emit_if(
      b, b.CreateICmpSLT(values.bound(nest.lane), whole(b, full)),
      [&] {
        const ValueEmitter::Scope inside(values);
        body();
      },
      [&] {
        const ValueEmitter::Scope inside(values);
        values.set_tail(extent - full);
        body();
      });
}

}  // namespace

void emit_point(llvm::IRBuilderBase& b, ValueEmitter& values, const LoopNest& nest,
                llvm::Value* point, const std::function<void()>& body) {
  values.set_lanes(nest.lane, nest.lanes);
  const ValueEmitter::Scope scope(values);
  bind_collapsed(b, values, nest, point, 0, nest.collapsed, body);
}

void emit_points(llvm::IRBuilderBase& b, ValueEmitter& values, const LoopNest& nest,
                 llvm::Value* begin, llvm::Value* end, const std::function<void()>& row,
                 const std::function<void()>& body) {
  if (nest.collapsed < 2)
    return emit_for(b, begin, end, 1,
                    [&](llvm::Value* point) { emit_point(b, values, nest, point, body); });
  values.set_lanes(nest.lane, nest.lanes);
  const int last = nest.collapsed - 1;
  llvm::Value* length = whole(b, nest.trips(nest.shared[static_cast<size_t>(last)]));
  llvm::Value* rows =
      b.CreateUDiv(b.CreateNSWAdd(end, b.CreateNSWSub(length, whole(b, 1))), length);
  emit_for(b, b.CreateUDiv(begin, length), rows, 1, [&](llvm::Value* number) {
    const ValueEmitter::Scope scope(values);
    bind_collapsed(b, values, nest, number, 0, last, [&] {
      row();
      llvm::Value* first = b.CreateNSWMul(number, length);
      llvm::Value* from =
          b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b.CreateNSWSub(begin, first), whole(b, 0));
      llvm::Value* to =
          b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b.CreateNSWSub(end, first), length);
      emit_for(b, from, to, 1, [&](llvm::Value* at) {
        const ValueEmitter::Scope inside(values);
        bind_collapsed(b, values, nest, at, last, last + 1, body);
      });
    });
  });
}

}  // namespace tessera
