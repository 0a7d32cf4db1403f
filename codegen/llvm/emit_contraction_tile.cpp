#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/contraction_formula.h"
#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/emit_products.h"
#include "codegen/llvm/masked_access.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

// In multiply-adds of a tile: as long as a line takes from beyond the second-level cache.
constexpr int kCyclesAhead = 400;

struct TileCode {
  ContractionContext& c;
  llvm::IRBuilder<>& b;
  TileShape shape;
  llvm::Function* function;
  bool finishes;                           // its sums, in registers
  std::vector<llvm::Value*> row_pointers;  // of a direct a

  // The parameters; see emit_contraction_parts.h.
  llvm::Value* arguments() const { return function->getArg(0); }
  llvm::Value* scratch() const { return function->getArg(finishes ? 1 : 0); }
  llvm::Value* fault() const { return function->getArg(2); }
  llvm::Value* operand_a() const { return function->getArg(finishes ? 3 : 1); }
  llvm::Value* operand_b() const { return function->getArg(finishes ? 4 : 2); }
  llvm::Value* k0() const { return function->getArg(finishes ? 5 : 3); }
  llvm::Value* k() const { return function->getArg(finishes ? 6 : 4); }
  llvm::Value* sums() const { return function->getArg(5); }
  llvm::Value* first() const { return function->getArg(6); }
  llvm::Value* m() const { return function->getArg(7); }
  llvm::Value* n() const { return function->getArg(8); }

  // The last vector is as narrow as its lanes allow: some hosts take half the time for half of one.
  int lanes(int v) const {
    const int all = c.schedule().lanes;
    if (v + 1 < shape.vectors || c.schedule().batched) return all;
    int narrow = std::min(all, static_cast<int>(16 / c.element_bytes()));
    while (narrow < shape.last_lanes) narrow *= 2;
    return narrow;
  }
  llvm::Type* type(int v) const { return shaped(c.element, lanes(v)); }
  llvm::Type* word_type(int v) const { return shaped(c.word, lanes(v)); }

  llvm::Align align() const { return llvm::Align(static_cast<uint64_t>(c.element_bytes())); }

  llvm::Value* sum_at(int r, int v, int64_t behind = 0) {
    const ContractionSchedule& s = c.schedule();
    const int64_t offset = r * s.columns() * s.width() + int64_t{v} * s.lanes;
    return b.CreateInBoundsGEP(c.element, sums(), c.constant(offset + behind));
  }
  llvm::Value* rest_at(int r, int v) { return sum_at(r, v, kept_sums(c.plan)); }

  // Where step p of a direct operand lies, when `from` is where the first one does.
  llvm::Value* at_step(const Expr& operand, llvm::Value* from, llvm::Value* p) {
    const NarrowProduct& product = c.schedule().product;
    const Read& read = *affine_read(operand, product);
    const Affine form = *address_of(read);
    llvm::Type* type = memory_type(c.llvm, read.tensor.type());
    if (product.group() > 1) p = b.CreateMul(p, c.constant(product.group()));
    return b.CreateInBoundsGEP(type, from, c.part(b, scratch(), form, TileAxis::k, p));
  }

  // The word of row r of a, in every lane; or of each batch.
  llvm::Value* left(int r, llvm::Value* packed_at, llvm::Value* p) {
    const auto lanes = static_cast<unsigned>(c.schedule().lanes);
    llvm::Value* word = nullptr;
    if (c.schedule().batched) {
      llvm::Value* from = b.CreateInBoundsGEP(c.word, packed_at, c.constant(int64_t{r} * lanes));
      return b.CreateAlignedLoad(word_type(0), from, align());
    }
    if (row_pointers.empty()) {
      llvm::Value* from = b.CreateInBoundsGEP(c.word, packed_at, c.constant(r));
      word = b.CreateAlignedLoad(c.word, from, align());
    } else {
      const NarrowProduct& product = c.schedule().product;
      llvm::Value* from =
          at_step(c.plan.group.contraction.a, row_pointers[static_cast<size_t>(r)], p);
      const auto bytes = static_cast<uint64_t>(c.element_bytes() / product.group());
      word = b.CreateAlignedLoad(c.word, from, llvm::Align(bytes));
      if (product.shifts_a()) {
        llvm::Value* words = b.CreateVectorSplat(lanes, word);
        return b.CreateXor(words, llvm::ConstantInt::get(words->getType(), kHighestBits));
      }
    }
    return b.CreateVectorSplat(lanes, word);
  }

  // While the processor is busy with step p, what it will need later comes nearer; no harm is done
  // where nothing lies there.
  void fetch_ahead(llvm::Value* p) {
    const ContractionSchedule& s = c.schedule();
    const Contraction& contraction = c.plan.group.contraction;
    const auto fetch = [&](llvm::Value* from, llvm::Value* elements) {
      llvm::Value* at = b.CreateGEP(c.element, from, elements);
      b.CreateIntrinsic(llvm::Intrinsic::prefetch, {at->getType()},
                        {at, b.getInt32(0), b.getInt32(3), b.getInt32(1)});
    };
    if (s.fetches_a && !row_pointers.empty()) {
      const int64_t row = volume(c.plan.layout.k);
      llvm::Value* first = b.CreateMul(p, c.constant(shape.rows));
      fetch(row_pointers[0], b.CreateAdd(first, c.constant(row * s.rows)));
    }
    if (!s.fetches_b) return;
    const int64_t step = *single_step(*simple_address(contraction.b), c.plan.layout.k);
    const int64_t ahead = std::max(4, kCyclesAhead / (shape.rows * shape.vectors));
    llvm::Value* first = b.CreateMul(b.CreateAdd(p, c.constant(ahead)), c.constant(step));
    for (int v = 0; v < shape.vectors; ++v)
      fetch(operand_b(), b.CreateAdd(first, c.constant(int64_t{v} * s.lanes)));
  }

  std::vector<llvm::Value*> load_b(llvm::Value* packed_at, llvm::Value* p) {
    const bool direct = c.schedule().b == Feed::direct;
    llvm::Value* from = packed_at;
    if (direct) from = at_step(c.plan.group.contraction.b, operand_b(), p);
    std::vector<llvm::Value*> vectors;
    for (int v = 0; v < shape.vectors; ++v) {
      llvm::Value* at =
          b.CreateInBoundsGEP(c.element, from, c.constant(int64_t{v} * c.schedule().lanes));
      if (direct && v + 1 == shape.vectors && shape.last_lanes < lanes(v)) {
        std::vector<llvm::Constant*> mask;
        for (int i = 0; i < lanes(v); ++i) mask.push_back(b.getInt1(i < shape.last_lanes));
        vectors.push_back(MaskedAccess(b, c.register_bytes())
                              .load(word_type(v), at, align(), llvm::ConstantVector::get(mask),
                                    llvm::Constant::getNullValue(word_type(v))));
      } else {
        vectors.push_back(b.CreateAlignedLoad(word_type(v), at, align()));
      }
    }
    return vectors;
  }

  // The sum, or whatever is combined, with one more pair.
  llvm::Value* with_pair(llvm::Value* x, llvm::Value* y, llvm::Value* sum) {
    const Contraction& contraction = c.plan.group.contraction;
    if (const std::optional<PairBody>& pair = contraction.pair) {
      FormulaSite site{.point = {}, .lanes = lanes_of(x), .known = {}};
      site.known = {{pair->left, x}, {pair->right, y}};
      return emit_combine(b, *contraction.nest.op, contraction.type, sum,
                          emit_formula(c, b, site, pair->value));
    }
    const NarrowProduct& product = c.schedule().product;
    if (product.unit != ProductUnit::none) return emit_products(b, product, x, y, sum);
    if (!c.element->isFloatingPointTy()) return b.CreateAdd(b.CreateMul(x, y), sum);
    llvm::Value* added = b.CreateIntrinsic(llvm::Intrinsic::fmuladd, {sum->getType()}, {x, y, sum});
    if (!shape.careful) return added;
    return b.CreateSelect(is_left_out(contraction.guarded_a ? x : y), sum, added);
  }

  // Lanes that are -0.
  llvm::Value* is_left_out(llvm::Value* guarded) {
    llvm::Type* bits =
        shaped(b.getIntNTy(static_cast<unsigned>(c.element_bytes() * 8)), lanes_of(guarded));
    llvm::Value* sign =
        b.CreateBitCast(llvm::ConstantFP::getNegativeZero(guarded->getType()), bits);
    return b.CreateICmpEQ(b.CreateBitCast(guarded, bits), sign);
  }

  llvm::Value* low_lanes(llvm::Value* all, int count) {
    if (count == c.schedule().lanes) return all;
    std::vector<int> kept(static_cast<size_t>(count));
    std::iota(kept.begin(), kept.end(), 0);
    return b.CreateShuffleVector(all, kept);
  }

  // One step of k on all sums.
  void step(std::vector<llvm::Value*>& sums, llvm::Value* a_at, llvm::Value* b_at, llvm::Value* p) {
    fetch_ahead(p);
    const std::vector<llvm::Value*> right = load_b(b_at, p);
    for (int r = 0; r < shape.rows; ++r) {
      llvm::Value* x = left(r, a_at, p);
      for (int v = 0; v < shape.vectors; ++v) {
        llvm::Value*& sum = sums[static_cast<size_t>(r * shape.vectors + v)];
        sum = with_pair(low_lanes(x, lanes(v)), right[static_cast<size_t>(v)], sum);
      }
    }
  }
};

// Sums, or whatever is combined, of nothing.
std::vector<llvm::Value*> identities(const TileCode& t) {
  const Contraction& contraction = t.c.plan.group.contraction;
  const Scalar nothing = identity(*contraction.nest.op, contraction.type);
  std::vector<llvm::Value*> sums;
  for (int r = 0; r < t.shape.rows; ++r)
    for (int v = 0; v < t.shape.vectors; ++v)
      sums.push_back(constant_of(t.c.llvm, nothing, t.lanes(v)));
  return sums;
}

// The sums to start from: those of nothing, or what memory holds.
std::vector<llvm::Value*> start_sums(TileCode& t) {
  const std::vector<llvm::Value*> nothing = identities(t);
  if (t.finishes || is_compensated(t.c.plan)) return nothing;
  llvm::IRBuilder<>& b = t.b;
  llvm::BasicBlock* entry = b.GetInsertBlock();
  llvm::BasicBlock* more = llvm::BasicBlock::Create(t.c.llvm, "more", t.function);
  llvm::BasicBlock* start = llvm::BasicBlock::Create(t.c.llvm, "start", t.function);
  b.CreateCondBr(b.CreateICmpNE(t.first(), t.c.constant(0)), start, more);
  b.SetInsertPoint(more);
  std::vector<llvm::Value*> loaded;
  for (int r = 0; r < t.shape.rows; ++r)
    for (int v = 0; v < t.shape.vectors; ++v)
      loaded.push_back(b.CreateAlignedLoad(t.type(v), t.sum_at(r, v), t.align()));
  b.CreateBr(start);
  b.SetInsertPoint(start);
  std::vector<llvm::Value*> sums;
  for (size_t i = 0; i < loaded.size(); ++i) {
    llvm::PHINode* sum = b.CreatePHI(loaded[i]->getType(), 2);
    sum->addIncoming(nothing[i], entry);
    sum->addIncoming(loaded[i], more);
    sums.push_back(sum);
  }
  return sums;
}

// With what the head of a panel of b adds to each column.
std::vector<llvm::Value*> with_head(TileCode& t, std::vector<llvm::Value*> sums) {
  for (int v = 0; v < t.shape.vectors; ++v) {
    llvm::Value* from = t.b.CreateInBoundsGEP(t.c.word, t.operand_b(),
                                              t.c.constant(int64_t{v} * t.c.schedule().lanes));
    llvm::Value* head = t.b.CreateAlignedLoad(t.type(v), from, t.align());
    for (int r = 0; r < t.shape.rows; ++r) {
      llvm::Value*& sum = sums[static_cast<size_t>(r * t.shape.vectors + v)];
      sum = t.b.CreateAdd(sum, head);
    }
  }
  return sums;
}

// The loop over k; returns the final sums.
std::vector<llvm::Value*> k_loop(TileCode& t, const std::vector<llvm::Value*>& start) {
  llvm::IRBuilder<>& b = t.b;
  const int64_t columns = int64_t{t.shape.vectors} * t.c.schedule().lanes;
  const int64_t rows = t.c.schedule().rows * t.c.schedule().width();
  llvm::Value* panel = t.operand_b();
  if (t.c.schedule().product.shifts_a())
    panel = b.CreateInBoundsGEP(t.c.word, panel, t.c.constant(columns));
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(t.c.llvm, "k", t.function);
  llvm::BasicBlock* done = llvm::BasicBlock::Create(t.c.llvm, "done", t.function);
  llvm::Value* end = b.CreateNSWAdd(t.k0(), t.k());
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode* p = b.CreatePHI(t.c.i64, 2);
  llvm::PHINode* a_at = b.CreatePHI(t.c.pointer, 2);
  llvm::PHINode* b_at = b.CreatePHI(t.c.pointer, 2);
  p->addIncoming(t.k0(), before);
  a_at->addIncoming(t.operand_a(), before);
  b_at->addIncoming(panel, before);
  std::vector<llvm::Value*> sums;
  for (llvm::Value* first : start) {
    llvm::PHINode* sum = b.CreatePHI(first->getType(), 2);
    sum->addIncoming(first, before);
    sums.push_back(sum);
  }
  const std::vector<llvm::Value*> phis = sums;
  t.step(sums, a_at, b_at, p);
  llvm::Value* next = b.CreateNSWAdd(p, t.c.constant(1));
  p->addIncoming(next, loop);
  a_at->addIncoming(b.CreateInBoundsGEP(t.c.element, a_at, t.c.constant(rows)), loop);
  b_at->addIncoming(b.CreateInBoundsGEP(t.c.element, b_at, t.c.constant(columns)), loop);
  for (size_t i = 0; i < sums.size(); ++i)
    llvm::cast<llvm::PHINode>(phis[i])->addIncoming(sums[i], loop);
  b.CreateCondBr(b.CreateICmpSLT(next, end), loop, done);
  b.SetInsertPoint(done);
  return sums;
}

void keep_sum(TileCode& t, int r, int v, llvm::Value* sum) {
  llvm::IRBuilder<>& b = t.b;
  if (is_compensated(t.c.plan)) {
    llvm::Value* first = b.CreateICmpNE(t.first(), t.c.constant(0));
    const auto before = [&](llvm::Value* at) {
      llvm::Value* held = b.CreateAlignedLoad(t.type(v), at, t.align());
      return b.CreateSelect(first, llvm::Constant::getNullValue(t.type(v)), held);
    };
    const CompensatedSum total =
        emit_add(b, {before(t.sum_at(r, v)), before(t.rest_at(r, v))}, sum);
    b.CreateAlignedStore(total.rest, t.rest_at(r, v), t.align());
    sum = total.sum;
  }
  b.CreateAlignedStore(sum, t.sum_at(r, v), t.align());
}

// The epilogue on the sums of vector v of row r.
void finish_sum(TileCode& t, int r, int v, llvm::Value* sum) {
  ContractionContext& c = t.c;
  const ContractionSchedule& s = c.schedule();
  FormulaSite site{.arguments = t.arguments(),
                   .scratch = t.scratch(),
                   .fault = t.fault(),
                   .point = {},
                   .known = {}};
  site.point.m = t.b.CreateAdd(t.m(), c.constant(r));
  site.point.n = t.b.CreateAdd(t.n(), c.constant(v * s.n_lanes()));
  site.axis = s.batched ? TileAxis::batch : TileAxis::n;
  site.lanes = std::max(1, lanes_of(sum));
  if (s.batched)
    site.valid = c.valid_batches(t.b, t.scratch());
  else if (v + 1 == t.shape.vectors && t.shape.last_lanes < site.lanes)
    site.valid = c.constant(t.shape.last_lanes);
  emit_finish(c, t.b, site, sum);
}

llvm::Function* make_tile(ContractionContext& context, const TileShape& shape, bool finishes) {
  llvm::Type* i64 = context.i64;
  llvm::Type* pointer = context.pointer;
  const std::string name = "tile_" + std::to_string(shape.rows) + "x" +
                           std::to_string(shape.vectors) + (shape.careful ? "_careful" : "") +
                           (shape.edge ? "_edge" : "");
  if (finishes)
    return context.make_function(
        name, {pointer, pointer, pointer, pointer, pointer, i64, i64, i64, i64}, 1);
  return context.make_function(name, {pointer, pointer, pointer, i64, i64, pointer, i64}, 0);
}

}  // namespace

llvm::Function* emit_tile(ContractionContext& context, const TileShape& shape) {
  const bool finishes = finishes_in_tile(context.plan);
  llvm::Function* function = make_tile(context, shape, finishes);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context.llvm, "entry", function));
  TileCode tile{.c = context,
                .b = b,
                .shape = shape,
                .function = function,
                .finishes = finishes,
                .row_pointers = {}};
  if (context.schedule().a == Feed::direct && !shape.edge)
    for (int r = 0; r < shape.rows; ++r)
      tile.row_pointers.push_back(b.CreateLoad(
          context.pointer, b.CreateConstInBoundsGEP1_64(context.pointer, tile.operand_a(),
                                                        static_cast<uint64_t>(r))));
  std::vector<llvm::Value*> start = start_sums(tile);
  if (context.schedule().product.shifts_a()) start = with_head(tile, std::move(start));
  const std::vector<llvm::Value*> sums = k_loop(tile, start);
  for (int r = 0; r < shape.rows; ++r)
    for (int v = 0; v < shape.vectors; ++v)
      (finishes ? finish_sum : keep_sum)(tile, r, v,
                                         sums[static_cast<size_t>(r * shape.vectors + v)]);
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
