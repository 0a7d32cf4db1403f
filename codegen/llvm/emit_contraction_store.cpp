#include <algorithm>

#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/scalars.h"
#include "ir/structure.h"

namespace tessera {
namespace {

int64_t k_blocks_of(const ContractionPlan& plan) {
  return (volume(plan.layout.k) + plan.schedule.k_block - 1) / plan.schedule.k_block;
}

llvm::Value* load_sums(ContractionContext& c, llvm::IRBuilder<>& b, llvm::Value* from, int lanes) {
  const auto load = [&](llvm::Value* at) {
    return b.CreateAlignedLoad(shaped(c.element, lanes == 1 ? 0 : lanes), at,
                               llvm::Align(static_cast<uint64_t>(c.element_bytes())));
  };
  llvm::Value* sums = load(from);
  if (!is_compensated(c.plan)) return sums;
  llvm::Value* behind = b.CreateInBoundsGEP(c.element, from, c.constant(kept_sums(c.plan)));
  return emit_total(b, {sums, load(behind)});
}

// An epilogue of at most so many operations stands once in the code for each vector of a tile.
constexpr int64_t kShortEpilogue = 4;

int64_t operations_of(const Expr& formula) {
  const std::vector<Expr> all = subexpressions(formula);
  return std::count_if(all.begin(), all.end(),
                       [](const Expr& node) { return as<Read>(node) || as<Apply>(node); });
}

}  // namespace

int64_t kept_sums(const ContractionPlan& plan) {
  const ContractionSchedule& s = plan.schedule;
  const int64_t n_padded = (s.n_block + s.columns() - 1) / s.columns() * s.columns();
  return (k_blocks_of(plan) > 1 ? s.m_chunk * n_padded : s.rows * s.columns()) * s.width();
}

bool is_compensated(const ContractionPlan& plan) {
  return is_float(plan.group.contraction.type) && plan.group.contraction.nest.op == ReduceOp::sum &&
         k_blocks_of(plan) > kPlainBlocks;
}

bool finishes_in_tile(const ContractionPlan& plan) {
  const ContractionSchedule& s = plan.schedule;
  const ContractionGroup& group = plan.group;
  if (s.k_block < volume(plan.layout.k) || s.skips_pads) return false;
  if (piece_within(plan.layout.n, s.n_lanes()) < s.n_lanes()) return false;
  auto operations = static_cast<int64_t>(group.outputs.size());
  if (group.contraction.scale) operations += operations_of(*group.contraction.scale);
  for (const Nest& nest : group.epilogue) operations += operations_of(nest.body);
  return operations <= kShortEpilogue;
}

// The sums of one piece, through scale and epilogue, to the outputs. All values come before the
// first is written, so that an output may lie where an input lay.
void emit_finish(ContractionContext& c, llvm::IRBuilder<>& b, FormulaSite site, llvm::Value* sums) {
  const ContractionGroup& group = c.plan.group;
  const Contraction& contraction = group.contraction;
  if (contraction.scale) {
    llvm::Value* scale = emit_formula(c, b, site, *contraction.scale);
    sums = emit_apply(b, Fn::mul, {contraction.type, contraction.type}, {sums, scale});
  }
  site.known[contraction.nest.out] = sums;
  for (const Nest& nest : group.epilogue)
    site.known[nest.out] = emit_formula(c, b, site, nest.body);
  for (const Tensor& output : group.outputs) emit_write(c, b, site, output, site.known.at(output));
}

llvm::Function* emit_store(ContractionContext& c) {
  llvm::Function* function = c.make_function(
      "store", {c.pointer, c.pointer, c.pointer, c.i64, c.i64, c.i64, c.i64, c.pointer}, 1);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(c.llvm, "entry", function));
  const auto arg = [&](unsigned i) { return function->getArg(i); };
  const int64_t n = volume(c.plan.layout.n);
  const ContractionSchedule& s = c.schedule();
  const auto along_n = static_cast<int>(piece_within(c.plan.layout.n, s.n_lanes()));
  const int lanes = s.batched ? s.lanes : along_n;
  emit_loop(b, c.constant(0), arg(4), 1, [&](llvm::Value* row) {
    emit_loop(b, c.constant(0), arg(6), along_n, [&](llvm::Value* column) {
      FormulaSite site{
          .arguments = arg(0), .scratch = arg(1), .fault = arg(2), .point = {}, .known = {}};
      site.point.m = b.CreateAdd(arg(3), row);
      site.point.n = b.CreateAdd(arg(5), column);
      site.axis = s.batched ? TileAxis::batch : TileAxis::n;
      site.lanes = lanes;
      if (s.batched)
        site.valid = c.valid_batches(b, arg(1));
      else if (n % lanes != 0)
        site.valid = emit_min(b, b.CreateSub(arg(6), column), c.constant(lanes));
      llvm::Value* at = b.CreateAdd(b.CreateMul(row, c.constant(s.columns())), column);
      llvm::Value* from =
          b.CreateInBoundsGEP(c.element, arg(7), b.CreateMul(at, c.constant(s.width())));
      emit_finish(c, b, site, load_sums(c, b, from, lanes));
    });
  });
  b.CreateRetVoid();
  return function;
}

}  // namespace tessera
