#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "codegen/llvm/contraction_formula.h"
#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/emit_products.h"
#include "codegen/llvm/scalars.h"
#include "codegen/llvm/transpose.h"
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
  // What belongs to step p of k, or to the group that begins there.
  void put(llvm::Value* p, llvm::Value* column, llvm::Value* value) const {
    if (group() > 1) p = b.CreateUDiv(p, c.constant(group()));
    llvm::Value* at = b.CreateAdd(b.CreateMul(p, stride()), column);
    if (c.schedule().width() > 1) at = b.CreateMul(at, c.constant(c.schedule().width()));
    b.CreateAlignedStore(value, b.CreateInBoundsGEP(c.word, arg(8), at),
                         llvm::Align(static_cast<uint64_t>(c.element_bytes())));
  }

  const NarrowProduct& product() const { return c.schedule().product; }
  int group() const { return product().group(); }
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
  // A vector's numbers as they stand in words.
  llvm::Value* narrowed(llvm::Value* numbers) const {
    llvm::Type* type = b.getIntNTy(static_cast<unsigned>(narrow_width(product())));
    return b.CreateTrunc(narrow_bits(b, product(), numbers), shaped(type, lanes_of(numbers)));
  }
  // Words from the numbers of each step of a group; of those that are missing, 0. One after the
  // other, the steps of a vector are a register, of which words are a permutation.
  llvm::Value* joined(const std::vector<llvm::Value*>& steps) const {
    if (group() == 1) return steps[0];
    const int lanes = std::max(1, lanes_of(steps[0]));
    std::vector<llvm::Value*> parts;
    for (llvm::Value* step : steps) {
      llvm::Value* part = narrowed(step);
      if (lanes_of(step) == 0) part = b.CreateVectorSplat(1, part);
      parts.push_back(part);
    }
    while (static_cast<int>(parts.size()) < group())
      parts.push_back(llvm::Constant::getNullValue(parts[0]->getType()));
    while (parts.size() > 1) {
      std::vector<int> both(static_cast<size_t>(2 * lanes_of(parts[0])));
      std::iota(both.begin(), both.end(), 0);
      for (size_t i = 0; 2 * i < parts.size(); ++i)
        parts[i] = b.CreateShuffleVector(parts[2 * i], parts[2 * i + 1], both);
      parts.resize(parts.size() / 2);
    }
    std::vector<int> order;
    for (int lane = 0; lane < lanes; ++lane)
      for (int step = 0; step < group(); ++step) order.push_back(step * lanes + lane);
    llvm::Value* words = b.CreateShuffleVector(parts[0], order);
    return shifted(b.CreateBitCast(words, shaped(c.word, lanes_of(steps[0]))));
  }
  // Words from numbers along k.
  llvm::Value* in_words(llvm::Value* numbers) const {
    if (group() == 1) return numbers;
    const int lanes = lanes_of(numbers);
    return shifted(
        b.CreateBitCast(narrowed(numbers), shaped(c.word, lanes == group() ? 0 : lanes / group())));
  }
};

int64_t panel_width(const ContractionContext& c, TileAxis side) {
  return side == TileAxis::m ? c.schedule().rows : c.schedule().columns();
}
int64_t side_volume(const ContractionContext& c, TileAxis side) {
  return volume(c.levels(side));
}

// Points along the panel that one vector holds. Where a panel never leaves a run of neighbours, the
// last vector may overlap the one before.
int along_lanes(const ContractionContext& c, TileAxis side) {
  const int64_t width = panel_width(c, side);
  if (stays_in_run(c.levels(side), width))
    return static_cast<int>(
        std::bit_floor(static_cast<uint64_t>(std::min<int64_t>(width, c.schedule().lanes))));
  const int64_t lanes = piece_within(c.levels(side), c.schedule().lanes);
  int64_t power = 1;
  while (width % (2 * power) == 0 && 2 * power <= lanes) power *= 2;
  return static_cast<int>(power);
}

const Expr& operand_of(const ContractionContext& c, TileAxis side) {
  const Contraction& contraction = c.plan.group.contraction;
  return side == TileAxis::m ? contraction.a : contraction.b;
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

// Words along k, up to a vector of them and a power of two, that lie within k's innermost level
// wherever they begin at a multiple; 0 when not even one does.
int words_of_run(const ContractionContext& c) {
  const int group = c.schedule().product.group();
  const IndexLevels& levels = c.levels(TileAxis::k);
  const int64_t words = piece_within(levels, int64_t{c.schedule().lanes} * group) / group;
  return static_cast<int>(
      std::bit_floor(static_cast<uint64_t>(std::min(words, volume(levels) / group))));
}

// Words along k, and columns, of one square that is transposed; 0 when there is no word to read.
int square_size(const ContractionContext& c, TileAxis side) {
  const auto width = static_cast<uint64_t>(panel_width(c, side));
  return std::min(words_of_run(c), static_cast<int>(std::bit_floor(width)));
}

// Steps p from `from` on, reading vectors along the panel.
void pack_along(PackCode& code, llvm::Value* from) {
  ContractionContext& c = code.c;
  llvm::IRBuilder<>& b = code.b;
  const int lanes = along_lanes(c, code.side);
  const int64_t width = panel_width(c, code.side);
  const bool whole = width % lanes == 0 && side_volume(c, code.side) % width % lanes == 0;
  llvm::Value* end = whole ? code.count() : b.CreateAnd(code.count(), c.constant(-int64_t{lanes}));
  const auto put = [&](llvm::Value* p, int steps, llvm::Value* column, llvm::Value* valid) {
    std::vector<llvm::Value*> values;
    for (int i = 0; i < steps; ++i) {
      FormulaSite site = code.site(column, i == 0 ? p : b.CreateAdd(p, c.constant(i)));
      site.axis = code.side;
      site.lanes = lanes;
      site.valid = valid;
      values.push_back(emit_formula(c, b, site, code.operand));
    }
    code.put(p, column, code.joined(values));
  };
  // A whole panel's vectors one after the other; a loop over two or three would cost more than
  // they.
  llvm::Value* full = b.CreateICmpEQ(code.count(), c.constant(width));
  emit_if(b, full, [&] {
    emit_loop(b, from, code.whole(), code.group(), [&](llvm::Value* p) {
      for (int64_t column = 0; column < width; column += lanes)
        put(p, code.group(), c.constant(std::min(column, width - lanes)), nullptr);
    });
  });
  const auto pack = [&](llvm::Value* p, int steps) {
    emit_loop(b, c.constant(0), end, lanes,
              [&](llvm::Value* column) { put(p, steps, column, nullptr); });
    if (whole) return;
    // What is left, from where a vector still ends within the panel.
    llvm::Value* last = emit_min(b, end, c.constant(width - lanes));
    emit_if(b, b.CreateICmpSLT(end, code.count()),
            [&] { put(p, steps, last, b.CreateSub(code.count(), last)); });
  };
  emit_if(b, b.CreateNot(full), [&] {
    emit_loop(b, from, code.whole(), code.group(), [&](llvm::Value* p) { pack(p, code.group()); });
  });
  if (code.rest() != 0)
    emit_if(b, b.CreateICmpSLT(code.whole(), code.k()), [&] { pack(code.whole(), code.rest()); });
}

// All steps, each place a vector of batches.
void pack_batches(PackCode& code) {
  ContractionContext& c = code.c;
  emit_loop(code.b, c.constant(0), code.k(), 1, [&](llvm::Value* p) {
    emit_loop(code.b, c.constant(0), code.count(), 1, [&](llvm::Value* column) {
      FormulaSite site = code.site(column, p);
      site.axis = TileAxis::batch;
      site.lanes = c.schedule().lanes;
      site.valid = c.valid_batches(code.b, code.arg(1));
      code.put(p, column, emit_formula(c, code.b, site, code.operand));
    });
  });
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

// Lanes [at * size, (at + 1) * size).
llvm::Value* part(llvm::IRBuilder<>& b, llvm::Value* vector, int at, int size) {
  if (lanes_of(vector) == size) return vector;
  std::vector<int> kept(static_cast<size_t>(size));
  std::iota(kept.begin(), kept.end(), at * size);
  return b.CreateShuffleVector(vector, kept);
}

// Whole squares from step `from` on, `count` side by side along k, which are read together; returns
// the first step that is left. Where squares do not divide the panel, the last one overlaps the one
// before.
llvm::Value* pack_squares(PackCode& code, int size, int count, llvm::Value* from) {
  ContractionContext& c = code.c;
  llvm::IRBuilder<>& b = code.b;
  const int64_t steps = int64_t{size} * code.group(), width = panel_width(c, code.side);
  llvm::Value* end = b.CreateAnd(code.k(), c.constant(-steps * count));
  // Along k first: processors follow so many rows at once, not all of a wide panel's.
  emit_loop(b, c.constant(0), code.count(), size, [&](llvm::Value* column) {
    if (width % size != 0) column = emit_min(b, column, c.constant(width - size));
    emit_loop(b, from, end, steps * count, [&](llvm::Value* p) {
      std::vector<llvm::Value*> wide;
      llvm::Value* last = b.CreateSub(code.count(), c.constant(1));
      for (int i = 0; i < size; ++i) {
        FormulaSite site = code.site(emit_min(b, b.CreateAdd(column, c.constant(i)), last), p);
        site.axis = TileAxis::k;
        site.lanes = static_cast<int>(steps) * count;
        wide.push_back(code.in_words(emit_formula(c, b, site, code.operand)));
      }
      for (int at = 0; at < count; ++at) {
        std::vector<llvm::Value*> rows;
        for (llvm::Value* row : wide) rows.push_back(part(b, row, at, size));
        transpose(b, rows);
        for (int i = 0; i < size; ++i)
          code.put(b.CreateAdd(p, c.constant(at * steps + i * code.group())), column,
                   rows[static_cast<size_t>(i)]);
      }
    });
  });
  return end;
}

}  // namespace

bool packs_along_k(const ContractionContext& context, TileAxis side) {
  return !context.schedule().batched && is_along_k(context, side, operand_of(context, side));
}

llvm::Function* emit_pack(ContractionContext& context, TileAxis side) {
  llvm::Type* i64 = context.i64;
  llvm::Type* pointer = context.pointer;
  llvm::Function* function =
      context.make_function(side == TileAxis::m ? "pack_a" : "pack_b",
                            {pointer, pointer, pointer, i64, i64, i64, i64, i64, pointer}, 1);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context.llvm, "entry", function));
  PackCode code{.c = context,
                .b = b,
                .side = side,
                .operand = operand_of(context, side),
                .function = function};
  if (context.schedule().batched) {
    pack_batches(code);
    b.CreateRetVoid();
    return function;
  }
  const int square = packs_along_k(context, side) ? square_size(context, side) : 0;
  llvm::Value* done = context.constant(0);
  if (square > 1) {
    const int count = words_of_run(context) / square;
    if (count > 1) done = pack_squares(code, square, count, done);
    done = pack_squares(code, square, 1, done);
  }
  if (square > 0 && code.group() > 1) done = pack_words(code, done);
  pack_along(code, done);
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
