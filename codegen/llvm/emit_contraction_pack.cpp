#include <algorithm>
#include <vector>

#include "codegen/llvm/contraction_formula.h"
#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/emit_products.h"
#include "codegen/llvm/scalars.h"
#include "ir/structure.h"

namespace tessera {
namespace {

struct PackCode {
  ContractionContext& c;
  llvm::IRBuilder<>& b;
  TileAxis side;
  const Expr& operand;
  llvm::Function* function;

  llvm::Value* arg(unsigned i) const { return function->getArg(i); }
  llvm::Value* first() const { return arg(3); }
  llvm::Value* count() const { return arg(4); }
  llvm::Value* stride() const { return arg(5); }
  llvm::Value* k0() const { return arg(6); }
  llvm::Value* k() const { return arg(7); }

  FormulaSite site(llvm::Value* column, llvm::Value* p) const {
    FormulaSite s{
        .arguments = arg(0), .scratch = arg(1), .fault = arg(2), .point = {}, .known = {}};
    s.point[side] = b.CreateAdd(first(), column);
    s.point.k = b.CreateAdd(k0(), p);
    return s;
  }
  llvm::Align align() const { return llvm::Align(static_cast<uint64_t>(c.element_bytes())); }
  // In row `row` of words; a panel's head is row -1.
  llvm::Value* place(llvm::Value* row, llvm::Value* column) const {
    if (has_head()) row = b.CreateAdd(row, c.constant(1));
    return b.CreateInBoundsGEP(c.word, arg(8), b.CreateAdd(b.CreateMul(row, stride()), column));
  }
  // What belongs to step p of k, or to the group that begins there.
  void put(llvm::Value* p, llvm::Value* column, llvm::Value* value) const {
    if (group() > 1) p = b.CreateUDiv(p, c.constant(group()));
    b.CreateAlignedStore(value, place(p, column), align());
  }

  const NarrowProduct& product() const { return c.schedule().product; }
  int group() const { return product().group(); }
  bool has_head() const { return side == TileAxis::n && product().shifts_a(); }
  // Up to here, groups of steps are whole.
  llvm::Value* whole() const {
    return group() == 1 ? k() : b.CreateAnd(k(), c.constant(-int64_t{group()}));
  }
  // Steps of a last group that is not whole; 0 when there is none in all of k.
  int rest() const { return static_cast<int>(volume(c.levels(TileAxis::k)) % group()); }

  llvm::Value* shifted(llvm::Value* words) const {
    if (side != TileAxis::m || !product().shifts_a()) return words;
    return b.CreateXor(words, llvm::ConstantInt::get(words->getType(), kHighestBits));
  }
  // Words from the numbers of each step of a group; of those that are missing, 0.
  llvm::Value* joined(const std::vector<llvm::Value*>& steps) const {
    if (group() == 1) return steps[0];
    const int width = narrow_width(product());
    llvm::Value* words = nullptr;
    for (int i = 0; i < static_cast<int>(steps.size()); ++i) {
      llvm::Value* bits = narrow_bits(b, product(), steps[static_cast<size_t>(i)]);
      const auto number = [&](uint64_t n) { return llvm::ConstantInt::get(bits->getType(), n); };
      if (i + 1 < group()) bits = b.CreateAnd(bits, number((uint64_t{1} << width) - 1));
      bits = b.CreateShl(bits, number(static_cast<uint64_t>(i * width)));
      words = words == nullptr ? bits : b.CreateOr(words, bits);
    }
    return shifted(words);
  }
  // Words from numbers along k.
  llvm::Value* in_words(llvm::Value* numbers) const {
    if (group() == 1) return numbers;
    const int lanes = lanes_of(numbers);
    llvm::Value* bits =
        b.CreateTrunc(narrow_bits(b, product(), numbers),
                      shaped(b.getIntNTy(static_cast<unsigned>(narrow_width(product()))), lanes));
    return shifted(b.CreateBitCast(bits, shaped(c.word, lanes == group() ? 0 : lanes / group())));
  }
};

int64_t panel_width(const ContractionContext& c, TileAxis side) {
  return side == TileAxis::m ? c.schedule().rows : c.schedule().columns();
}
int64_t side_volume(const ContractionContext& c, TileAxis side) {
  return volume(c.levels(side));
}

// Points along the panel that one vector holds.
int along_lanes(const ContractionContext& c, TileAxis side) {
  const int64_t lanes = piece_within(c.levels(side), c.schedule().lanes);
  int64_t width = panel_width(c, side), power = 1;
  while (width % (2 * power) == 0 && 2 * power <= lanes) power *= 2;
  return static_cast<int>(power);
}

// Are more of an operand's reads contiguous along k than along the panel?
bool is_along_k(const ContractionContext& c, TileAxis side, const Expr& operand) {
  int64_t along_k = 0, along_side = 0;
  for (const Expr& node : subexpressions(operand)) {
    const Read* read = as<Read>(node);
    const std::optional<Affine> form = read ? address_of(*read) : std::nullopt;
    if (!form) continue;
    if (inner_step(*form, c.levels(TileAxis::k)) == 1) ++along_k;
    if (inner_step(*form, c.levels(side)) == 1) ++along_side;
  }
  return along_k > along_side;
}

// Words along k, and columns, of one square that is transposed; 0 when not even a word lies within
// k's innermost level.
int square_size(const ContractionContext& c, TileAxis side) {
  const int group = c.schedule().product.group();
  const int64_t k = volume(c.levels(TileAxis::k)) / group;
  const int64_t run =
      piece_within(c.levels(TileAxis::k), int64_t{c.schedule().lanes} * group) / group;
  if (run == 0) return 0;
  int64_t size = 1;
  while (2 * size <= run && 2 * size <= k && 2 * size <= panel_width(c, side)) size *= 2;
  return static_cast<int>(size);
}

// Exchanges rows and lanes of a square of vectors, by exchanging one bit of their numbers at a time
// (Eklundh, 1972).
void transpose(llvm::IRBuilder<>& b, std::vector<llvm::Value*>& rows) {
  const int size = static_cast<int>(rows.size());
  for (int bit = 1; bit < size; bit *= 2) {
    std::vector<int> low, high;
    for (int lane = 0; lane < size; ++lane) {
      const bool second = (lane & bit) != 0;
      low.push_back(second ? size + lane - bit : lane);
      high.push_back(second ? size + lane : lane + bit);
    }
    for (int r = 0; r < size; ++r) {
      if (r & bit) continue;
      llvm::Value* x = rows[static_cast<size_t>(r)];
      llvm::Value* y = rows[static_cast<size_t>(r + bit)];
      rows[static_cast<size_t>(r)] = b.CreateShuffleVector(x, y, low);
      rows[static_cast<size_t>(r + bit)] = b.CreateShuffleVector(x, y, high);
    }
  }
}

// Steps p from `from` on, reading vectors along the panel.
void pack_along(PackCode& code, llvm::Value* from) {
  ContractionContext& c = code.c;
  llvm::IRBuilder<>& b = code.b;
  const int lanes = along_lanes(c, code.side);
  const bool whole = side_volume(c, code.side) % lanes == 0;
  const auto pack = [&](llvm::Value* p, int steps) {
    emit_loop(b, c.constant(0), code.count(), lanes, [&](llvm::Value* column) {
      llvm::Value* valid = nullptr;
      if (!whole) valid = emit_min(b, b.CreateSub(code.count(), column), c.constant(lanes));
      std::vector<llvm::Value*> values;
      for (int i = 0; i < steps; ++i) {
        FormulaSite site = code.site(column, i == 0 ? p : b.CreateAdd(p, c.constant(i)));
        site.axis = code.side;
        site.lanes = lanes;
        site.valid = valid;
        values.push_back(emit_formula(c, b, site, code.operand));
      }
      code.put(p, column, code.joined(values));
    });
  };
  emit_loop(b, from, code.whole(), code.group(), [&](llvm::Value* p) { pack(p, code.group()); });
  if (code.rest() != 0)
    emit_if(b, b.CreateICmpSLT(code.whole(), code.k()), [&] { pack(code.whole(), code.rest()); });
}

// Whole groups from `from` on, each a word that is read along k; returns the first step left.
llvm::Value* pack_words(PackCode& code, llvm::Value* from) {
  ContractionContext& c = code.c;
  emit_loop(code.b, from, code.whole(), code.group(), [&](llvm::Value* p) {
    emit_loop(code.b, c.constant(0), code.count(), 1, [&](llvm::Value* column) {
      FormulaSite site = code.site(column, p);
      site.axis = TileAxis::k;
      site.lanes = code.group();
      code.put(p, column, code.in_words(emit_formula(c, code.b, site, code.operand)));
    });
  });
  return code.whole();
}

// Whole squares, reading vectors along k; returns the first step that is left. Where they do not
// divide the panel, the last one overlaps the one before.
llvm::Value* pack_squares(PackCode& code, int size) {
  ContractionContext& c = code.c;
  llvm::IRBuilder<>& b = code.b;
  const int64_t steps = int64_t{size} * code.group(), width = panel_width(c, code.side);
  llvm::Value* end = b.CreateAnd(code.k(), c.constant(-steps));
  emit_loop(b, c.constant(0), end, steps, [&](llvm::Value* p) {
    emit_loop(b, c.constant(0), code.count(), size, [&](llvm::Value* column) {
      if (width % size != 0) column = emit_min(b, column, c.constant(width - size));
      std::vector<llvm::Value*> rows;
      llvm::Value* last = b.CreateSub(code.count(), c.constant(1));
      for (int i = 0; i < size; ++i) {
        FormulaSite site = code.site(emit_min(b, b.CreateAdd(column, c.constant(i)), last), p);
        site.axis = TileAxis::k;
        site.lanes = static_cast<int>(steps);
        rows.push_back(code.in_words(emit_formula(c, b, site, code.operand)));
      }
      transpose(b, rows);
      for (int i = 0; i < size; ++i)
        code.put(b.CreateAdd(p, c.constant(i * code.group())), column,
                 rows[static_cast<size_t>(i)]);
    });
  });
  return end;
}

// The head of a panel of b: what the shift of a adds to each column's sums, negated. Several
// columns' sums at once hide the latency of the unit.
void pack_head(PackCode& code, int vectors) {
  ContractionContext& c = code.c;
  llvm::IRBuilder<>& b = code.b;
  const int lanes = c.schedule().lanes;
  llvm::Type* type = shaped(c.word, lanes);
  llvm::Value* added = llvm::ConstantInt::get(type, kHighestBits);
  const auto column = [&](int v) { return c.constant(int64_t{v} * lanes); };
  llvm::Value* rows =
      b.CreateUDiv(b.CreateAdd(code.k(), c.constant(code.group() - 1)), c.constant(code.group()));
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(c.llvm, "head", code.function);
  llvm::BasicBlock* done = llvm::BasicBlock::Create(c.llvm, "done", code.function);
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode* row = b.CreatePHI(c.i64, 2);
  row->addIncoming(c.constant(0), before);
  std::vector<llvm::PHINode*> sums;
  for (int v = 0; v < vectors; ++v) {
    sums.push_back(b.CreatePHI(type, 2));
    sums.back()->addIncoming(llvm::Constant::getNullValue(type), before);
  }
  std::vector<llvm::Value*> totals;
  for (int v = 0; v < vectors; ++v) {
    llvm::Value* words = b.CreateAlignedLoad(type, code.place(row, column(v)), code.align());
    totals.push_back(emit_products(b, code.product(), added, words, sums[static_cast<size_t>(v)]));
    sums[static_cast<size_t>(v)]->addIncoming(totals.back(), loop);
  }
  llvm::Value* next = b.CreateAdd(row, c.constant(1));
  row->addIncoming(next, loop);
  b.CreateCondBr(b.CreateICmpSLT(next, rows), loop, done);
  b.SetInsertPoint(done);
  for (int v = 0; v < vectors; ++v)
    b.CreateAlignedStore(b.CreateNeg(totals[static_cast<size_t>(v)]),
                         code.place(c.constant(-1), column(v)), code.align());
}

void pack_head(PackCode& code) {
  const ContractionSchedule& s = code.c.schedule();
  for (int vectors = 1; vectors <= s.vectors; ++vectors)
    emit_if(code.b, code.b.CreateICmpEQ(code.stride(), code.c.constant(int64_t{vectors} * s.lanes)),
            [&] { pack_head(code, vectors); });
}

}  // namespace

llvm::Function* emit_pack(ContractionContext& context, TileAxis side) {
  llvm::Type* i64 = context.i64;
  llvm::Type* pointer = context.pointer;
  llvm::Function* function =
      context.make_function(side == TileAxis::m ? "pack_a" : "pack_b",
                            {pointer, pointer, pointer, i64, i64, i64, i64, i64, pointer}, 1);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context.llvm, "entry", function));
  const Contraction& contraction = context.plan.group.contraction;
  PackCode code{.c = context,
                .b = b,
                .side = side,
                .operand = side == TileAxis::m ? contraction.a : contraction.b,
                .function = function};
  const int square = is_along_k(context, side, code.operand) ? square_size(context, side) : 0;
  llvm::Value* done = context.constant(0);
  if (square > 1) done = pack_squares(code, square);
  if (square > 0 && code.group() > 1) done = pack_words(code, done);
  pack_along(code, done);
  if (code.has_head()) pack_head(code);
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
