#include "codegen/llvm/emit_blocks.h"

#include <llvm/IR/IRBuilder.h>

#include <algorithm>
#include <map>

#include "codegen/llvm/emit_loop_nest.h"
#include "codegen/llvm/frame.h"

namespace tessera {
namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class BlockEmitter {
 public:
  BlockEmitter(llvm::Module& module, const BlockedGroup& group,
               const std::vector<std::vector<PartCode>>& parts, const std::string& symbol)
      : group_(group),
        parts_(parts),
        entry_(declare_entry(module, symbol)),
        b_(llvm::BasicBlock::Create(module.getContext(), "entry", entry_)),
        pointer_(llvm::PointerType::get(module.getContext(), 0)),
        firsts_(group.walks.size(), nullptr) {
    for (int64_t bytes : group.scratch) {
      offsets_.push_back(own_);
      own_ += aligned(static_cast<size_t>(bytes));
    }
    for (const std::vector<PartCode>& variant : parts) {
      for (const PartCode& part : variant) {
        if (!part.kept_within) continue;
        kept_.emplace(part.function, own_);
        own_ += aligned(part.scratch_bytes);
      }
    }
  }

  void emit() {
    size_t most = 0;
    for (const BlockVariant& variant : group_.variants)
      for (const BlockPart& part : variant.parts) most = std::max(most, part.arguments.size());
    arguments_ = b_.CreateAlloca(pointer_, i64(static_cast<int64_t>(most)));
    before_ = b_.CreateAlloca(b_.getInt32Ty(), i64(static_cast<int64_t>(group_.walks.size())));
    emit_for(b_, entry_->getArg(2), entry_->getArg(3), 1, [&](llvm::Value* point) {
      point_ = point;
      emit_point(point);
    });
    b_.CreateRetVoid();
  }

 private:
  llvm::Value* i64(int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); }
  const BlockWalk& walk(size_t w) const { return group_.walks[w]; }

  // Splits the number of a point into the blocks of the walks that are not serial.
  void emit_point(llvm::Value* point) {
    size_t parallel = 0;
    while (parallel < group_.walks.size() && !walk(parallel).serial) ++parallel;
    for (size_t w = parallel; w-- > 0;) {
      llvm::Value* number = w == 0 ? point : b_.CreateURem(point, i64(walk(w).trips()));
      if (w > 0) point = b_.CreateUDiv(point, i64(walk(w).trips()));
      set_first(w, b_.CreateMul(number, i64(walk(w).block)));
    }
    emit_serial(parallel);
  }

  void emit_serial(size_t w) {
    if (w == group_.walks.size()) {
      emit_block();
      return;
    }
    const int64_t end = walk(w).trips() * walk(w).block;
    emit_for(b_, i64(0), i64(end), walk(w).block, [&](llvm::Value* first) {
      set_first(w, first);
      emit_serial(w + 1);
    });
  }

  // The first index of the block of a walk.
  void set_first(size_t w, llvm::Value* first) {
    firsts_[w] = first;
    b_.CreateStore(b_.CreateTrunc(first, b_.getInt32Ty()), index_at(w));
  }

  llvm::Value* index_at(size_t w) {
    return b_.CreateConstInBoundsGEP1_64(b_.getInt32Ty(), before_, w);
  }

  void emit_block() {
    if (group_.variants.size() == 1) {
      emit_parts(0);
      return;
    }
    const BlockWalk& last = group_.walks.back();
    llvm::Value* whole = b_.CreateICmpSLE(firsts_.back(), i64(last.dim.extent() - last.block));
    emit_if(
        b_, whole, [&] { emit_parts(0); }, [&] { emit_parts(1); });
  }

  void emit_parts(size_t variant) {
    const std::vector<BlockPart>& parts = group_.variants[variant].parts;
    for (size_t p = 0; p < parts.size(); ++p) {
      if (parts[p].at_start_of.empty()) {
        emit_call(parts[p], parts_[variant][p]);
        continue;
      }
      llvm::Value* start = b_.getTrue();
      for (int w : parts[p].at_start_of)
        start = b_.CreateAnd(start, b_.CreateICmpEQ(firsts_[static_cast<size_t>(w)], i64(0)));
      emit_if(b_, start, [&] { emit_call(parts[p], parts_[variant][p]); });
    }
  }

  void emit_call(const BlockPart& part, const PartCode& code) {
    for (size_t i = 0; i < part.arguments.size(); ++i)
      b_.CreateStore(address_of(part, i), b_.CreateConstInBoundsGEP1_64(pointer_, arguments_, i));
    const size_t scratch = code.kept_within ? kept_.at(code.function) : own_;
    std::vector<llvm::Value*> values = {arguments_, at_scratch(scratch), i64(0), i64(code.chunks),
                                        entry_->getArg(4)};
    if (code.kept_within) values.push_back(has_stayed(*code.kept_within));
    b_.CreateCall(code.function, values);
  }

  // Is this neither the first block of the call, nor the first one after the walk moved on?
  llvm::Value* has_stayed(int walk_within) {
    llvm::Value* moved = b_.CreateICmpNE(point_, entry_->getArg(2));
    for (size_t w = 0; w < group_.walks.size(); ++w)
      if (walk(w).serial) moved = b_.CreateOr(moved, b_.CreateICmpNE(firsts_[w], i64(0)));
    if (walk_within < 0) return moved;
    llvm::Value* inside = b_.getFalse();
    for (size_t w = static_cast<size_t>(walk_within) + 1; w < group_.walks.size(); ++w)
      inside = b_.CreateOr(inside, b_.CreateICmpNE(firsts_[w], i64(0)));
    return b_.CreateAnd(moved, inside);
  }

  llvm::Value* at_scratch(size_t offset) {
    return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), entry_->getArg(1), offset);
  }

  llvm::Value* address_of(const BlockPart& part, size_t i) {
    const BlockArgument& argument = part.arguments[i];
    const auto number = static_cast<size_t>(argument.number);
    if (argument.kind == BlockArgument::Kind::scratch) return at_scratch(offsets_[number]);
    if (argument.kind == BlockArgument::Kind::index) return index_at(number);
    const KernelGroup& group = part.group;
    const Tensor& tensor =
        i < group.inputs.size() ? group.inputs[i] : group.outputs[i - group.inputs.size()];
    llvm::Value* base =
        b_.CreateLoad(pointer_, b_.CreateConstInBoundsGEP1_64(pointer_, entry_->getArg(0), number));
    llvm::Value* bytes = i64(0);
    for (size_t w = 0; w < argument.steps.size(); ++w) {
      const int64_t step = argument.steps[w] * static_cast<int64_t>(size_of(tensor.type()));
      if (step != 0) bytes = b_.CreateAdd(bytes, b_.CreateMul(firsts_[w], i64(step)));
    }
    return b_.CreateInBoundsGEP(b_.getInt8Ty(), base, bytes);
  }

  const BlockedGroup& group_;
  const std::vector<std::vector<PartCode>>& parts_;
  llvm::Function* entry_;
  llvm::IRBuilder<> b_;
  llvm::Type* pointer_;
  std::vector<llvm::Value*> firsts_;        // by walk: the first index of the block
  std::vector<size_t> offsets_;             // in scratch, of what parts pass
  std::map<llvm::Function*, size_t> kept_;  // and of parts that keep something there
  size_t own_ = 0;                          // and of all other parts
  llvm::Value* point_ = nullptr;
  llvm::Value* arguments_ = nullptr;
  llvm::Value* before_ = nullptr;
};

}  // namespace

size_t scratch_bytes_of(const BlockedGroup& group,
                        const std::vector<std::vector<PartCode>>& parts) {
  size_t passed = 0, own = 0;
  for (int64_t bytes : group.scratch) passed += aligned(static_cast<size_t>(bytes));
  for (const std::vector<PartCode>& variant : parts) {
    for (const PartCode& part : variant) {
      if (part.kept_within)
        passed += aligned(part.scratch_bytes);
      else
        own = std::max(own, part.scratch_bytes);
    }
  }
  return passed + own;
}

void emit_blocks(llvm::Module& module, const BlockedGroup& group,
                 const std::vector<std::vector<PartCode>>& parts, const std::string& symbol) {
  BlockEmitter(module, group, parts, symbol).emit();
}

}  // namespace tessera
