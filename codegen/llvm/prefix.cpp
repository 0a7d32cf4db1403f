#include "codegen/llvm/prefix.h"

#include <algorithm>
#include <vector>

#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

// Lanes `first` … `first + count - 1`.
llvm::Value* part(llvm::IRBuilderBase& b, llvm::Value* vector, int first, int count) {
  std::vector<int> lanes;
  for (int i = 0; i < count; ++i) lanes.push_back(first + i);
  return b.CreateShuffleVector(vector, lanes);
}

// Each lane becomes the one `distance` before (down: after) it, and `outside` where there is none.
llvm::Value* moved(llvm::IRBuilderBase& b, llvm::Value* vector, Running running, int distance,
                   llvm::Value* outside) {
  const int count = lanes_of(vector);
  std::vector<int> lanes;
  for (int i = 0; i < count; ++i) {
    const int from = running == Running::up ? i - distance : i + distance;
    lanes.push_back(from >= 0 && from < count ? from : count + i);
  }
  return b.CreateShuffleVector(vector, outside, lanes);
}

}  // namespace

llvm::Value* emit_prefix(llvm::IRBuilderBase& b, ReduceOp op, DType type, Running running,
                         llvm::Value* vector, int register_bytes) {
  const int lanes = lanes_of(vector);
  const int bytes = std::max(1, static_cast<int>(vector->getType()->getScalarSizeInBits()) / 8);
  const int width = std::clamp(register_bytes / bytes, 1, lanes);
  llvm::Value* outside = constant_of(b.getContext(), identity(op, type), width);
  if (outside->getType()->getScalarType()->isIntegerTy(1))
    outside = b.CreateZExt(outside, shaped(b.getInt8Ty(), width));
  std::vector<llvm::Value*> pieces;
  for (int first = 0; first < lanes; first += width) {
    llvm::Value* piece = part(b, vector, first, width);
    for (int distance = 1; distance < width; distance *= 2)
      piece = emit_combine(b, op, type, piece, moved(b, piece, running, distance, outside));
    pieces.push_back(piece);
  }
  if (running == Running::down) std::reverse(pieces.begin(), pieces.end());
  llvm::Value* before = nullptr;
  for (llvm::Value*& piece : pieces) {
    llvm::Value* whole = emit_whole(b, running, piece);
    if (before != nullptr) {
      piece = emit_combine(b, op, type, piece, splat(b, before, width));
      whole = emit_combine(b, op, type, before, whole);
    }
    before = whole;
  }
  if (running == Running::down) std::reverse(pieces.begin(), pieces.end());
  while (pieces.size() > 1) {
    std::vector<llvm::Value*> joined;
    for (size_t i = 0; i < pieces.size(); i += 2) {
      std::vector<int> all;
      for (int lane = 0; lane < 2 * lanes_of(pieces[i]); ++lane) all.push_back(lane);
      joined.push_back(b.CreateShuffleVector(pieces[i], pieces[i + 1], all));
    }
    pieces = joined;
  }
  return pieces[0];
}

llvm::Value* emit_whole(llvm::IRBuilderBase& b, Running running, llvm::Value* prefix) {
  const int last = running == Running::up ? lanes_of(prefix) - 1 : 0;
  return b.CreateExtractElement(prefix, static_cast<uint64_t>(last));
}

}  // namespace tessera
