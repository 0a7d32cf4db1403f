#include "codegen/llvm/scan_steps.h"

#include <algorithm>

#include "codegen/llvm/frame.h"

namespace tessera {
namespace {

// The body, where 0 <= index < extent.
void emit_inside(llvm::IRBuilderBase& b, llvm::Value* index, int64_t extent, bool always,
                 const std::function<void(llvm::Value*)>& body) {
  if (always)
    body(index);
  else
    emit_if(b, b.CreateICmpULT(index, b.getInt64(static_cast<uint64_t>(extent))),
            [&] { body(index); });
}

}  // namespace

ScanRange scan_range(const LoopNest& nest, const ScanLoops& scan) {
  const int64_t ins = nest.loops[static_cast<size_t>(scan.in)].extent;
  const int64_t outs = nest.loops[static_cast<size_t>(scan.out)].extent;
  return {ins, outs, scan.descending ? scan.offset : std::min<int64_t>(0, scan.offset),
          scan.descending ? std::max(ins, outs + scan.offset) : outs + scan.offset};
}

void emit_scan_steps(llvm::IRBuilderBase& b, const ScanLoops& scan, const ScanRange& range,
                     const std::function<void(llvm::Value*)>& take,
                     const std::function<void(llvm::Value*)>& give) {
  const auto [ins, outs, low, end] = range;
  if (low >= end) return;
  const auto i64 = [&](int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); };
  const bool always_in = low >= 0 && end <= ins;
  const bool always_out = low >= scan.offset && end - scan.offset <= outs;
  emit_for(b, i64(0), i64(end - low), 1, [&](llvm::Value* step) {
    llvm::Value* in = scan.descending ? b.CreateNSWSub(i64(range.end - 1), step)
                                      : b.CreateNSWAdd(i64(range.low), step);
    emit_inside(b, in, range.ins, always_in, take);
    emit_inside(b, b.CreateNSWSub(in, i64(scan.offset)), range.outs, always_out, give);
  });
}

}  // namespace tessera
