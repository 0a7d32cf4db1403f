#include <algorithm>
#include <vector>

#include "codegen/llvm/contraction_formula.h"
#include "codegen/llvm/emit_contraction_parts.h"
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
  void put(llvm::Value* p, llvm::Value* column, llvm::Value* value) const {
    llvm::Value* at = b.CreateAdd(b.CreateMul(p, stride()), column);
    b.CreateAlignedStore(value, b.CreateInBoundsGEP(c.element, arg(8), at),
                         llvm::Align(static_cast<uint64_t>(c.element_bytes())));
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

// Points along k, and columns, of one square that is transposed; 1 when reading along the panel is
// as good.
int square_lanes(const ContractionContext& c, TileAxis side, const Expr& operand) {
  int64_t along_k = 0, along_side = 0;
  for (const Expr& node : subexpressions(operand)) {
    const Read* read = as<Read>(node);
    const std::optional<Affine> form = read ? address_of(*read) : std::nullopt;
    if (!form) continue;
    if (inner_step(*form, c.levels(TileAxis::k)) == 1) ++along_k;
    if (inner_step(*form, c.levels(side)) == 1) ++along_side;
  }
  if (along_k <= along_side) return 1;
  const int64_t k = volume(c.levels(TileAxis::k));
  const int64_t run = piece_within(c.levels(TileAxis::k), c.schedule().lanes);
  int64_t size = 1;
  while (2 * size <= run && 2 * size <= k && panel_width(c, side) % (2 * size) == 0) size *= 2;
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
  emit_loop(b, from, code.k(), 1, [&](llvm::Value* p) {
    emit_loop(b, c.constant(0), code.count(), lanes, [&](llvm::Value* column) {
      FormulaSite site = code.site(column, p);
      site.axis = code.side;
      site.lanes = lanes;
      if (!whole) site.valid = emit_min(b, b.CreateSub(code.count(), column), c.constant(lanes));
      code.put(p, column, emit_formula(c, b, site, code.operand));
    });
  });
}

// Whole squares, reading vectors along k; returns the first step that is left.
llvm::Value* pack_squares(PackCode& code, int size) {
  ContractionContext& c = code.c;
  llvm::IRBuilder<>& b = code.b;
  llvm::Value* end = b.CreateAnd(code.k(), c.constant(-int64_t{size}));
  emit_loop(b, c.constant(0), end, size, [&](llvm::Value* p) {
    emit_loop(b, c.constant(0), code.count(), size, [&](llvm::Value* column) {
      std::vector<llvm::Value*> rows;
      llvm::Value* last = b.CreateSub(code.count(), c.constant(1));
      for (int i = 0; i < size; ++i) {
        FormulaSite site = code.site(emit_min(b, b.CreateAdd(column, c.constant(i)), last), p);
        site.axis = TileAxis::k;
        site.lanes = size;
        rows.push_back(emit_formula(c, b, site, code.operand));
      }
      transpose(b, rows);
      for (int i = 0; i < size; ++i)
        code.put(b.CreateAdd(p, c.constant(i)), column, rows[static_cast<size_t>(i)]);
    });
  });
  return end;
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
  const int square = square_lanes(context, side, code.operand);
  llvm::Value* done = context.constant(0);
  if (square > 1) done = pack_squares(code, square);
  pack_along(code, done);
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
