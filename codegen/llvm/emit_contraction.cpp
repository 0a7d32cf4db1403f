#include "codegen/llvm/emit_contraction.h"

#include <algorithm>
#include <functional>

#include "codegen/llvm/contraction_formula.h"
#include "codegen/llvm/emit_contraction_parts.h"
#include "codegen/llvm/emit_live_runs.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

// So many steps of k are packed into all panels of a block at once; a multiple of every group.
constexpr int64_t kStrip = 16;

// The entry: chunks, blocks, panels, tiles (see ContractionSchedule).
class EntryEmitter {
 public:
  EntryEmitter(ContractionContext& context, llvm::Function* entry)
      : c_(context),
        s_(context.schedule()),
        b_(llvm::BasicBlock::Create(context.llvm, "entry", entry)),
        entry_(entry),
        m_(volume(context.plan.layout.m)),
        n_(volume(context.plan.layout.n)),
        k_(volume(context.plan.layout.k)),
        edges_(edges_of(context.plan)) {}

  void emit() {
    emit_parts();
    reserve_buffers();
    c_.fill_tables(b_, scratch(), TileAxis::k, num(0), num(k_));
    emit_loop(b_, entry_->getArg(2), entry_->getArg(3), 1,
              [&](llvm::Value* chunk) { emit_chunk(chunk); });
    b_.CreateRetVoid();
  }

 private:
  llvm::Value* num(int64_t value) const { return c_.constant(value); }
  llvm::Value* scratch() const { return entry_->getArg(1); }
  llvm::Value* buffer(int64_t offset) { return c_.at_scratch(b_, scratch(), offset); }
  llvm::Value* at(llvm::Value* base, llvm::Value* elements) {
    return b_.CreateInBoundsGEP(c_.element, base, places(elements));
  }
  // The elements that so many places of panels or sums take.
  llvm::Value* places(llvm::Value* count) {
    return s_.width() == 1 ? count : b_.CreateMul(count, num(s_.width()));
  }
  int64_t k_blocks() const { return (k_ + s_.k_block - 1) / s_.k_block; }
  int64_t n_padded() const { return (s_.n_block + s_.columns() - 1) / s_.columns() * s_.columns(); }
  // Rows of words in front of those of k, in each panel of b.
  int64_t heads() const { return s_.product.shifts_a() ? 1 : 0; }
  // Rows of words that are packed of b at a time.
  int64_t rows_of_b() const {
    return s_.b_by_block ? words(s_.k_block) + heads() : words(k_) + heads() * k_blocks();
  }
  // The words that so many steps of k take, from the start of a block of k on.
  int64_t words(int64_t steps) const {
    return (steps + s_.product.group() - 1) / s_.product.group();
  }
  llvm::Value* words(llvm::Value* steps) {
    const int group = s_.product.group();
    if (group == 1) return steps;
    return b_.CreateUDiv(b_.CreateAdd(steps, num(group - 1)), num(group));
  }
  const Contraction& contraction() const { return c_.plan.group.contraction; }
  bool guarded() const { return contraction().guarded_a || contraction().guarded_b; }
  // A packed a is looked at: is all of it finite?
  bool looks_at_a() const {
    return contraction().guarded_b || (s_.skips_pads && is_float(contraction().type));
  }

  // What a guard leaves out may be multiplied where all of the other operand is finite; what a pad
  // makes 0 may be left out there.
  void begin_other() { b_.CreateStore(b_.getFalse(), buffer(some_not_finite_)); }
  void look_at_other(llvm::Value* panel, llvm::Value* elements) {
    call(not_finite_, {scratch(), panel, places(elements), buffer(some_not_finite_)});
  }

  // The last panel's vectors, 0 when all panels are whole; lanes that exist in the last vector.
  int rest_vectors() const {
    return static_cast<int>((n_ % s_.columns() + s_.n_lanes() - 1) / s_.n_lanes());
  }
  int last_lanes() const {
    return static_cast<int>(n_ % s_.n_lanes() == 0 ? s_.n_lanes() : n_ % s_.n_lanes());
  }
  int rest_rows() const { return static_cast<int>(m_ % s_.rows); }

  void emit_parts() {
    for (const bool rest_m : {false, true}) {
      for (const bool rest_n : {false, true}) {
        const int rows = rest_m ? rest_rows() : s_.rows;
        // A last vector that is partly there needs a tile of its own even in a full panel.
        const int64_t rest = n_ % s_.columns();
        const int vectors = rest_n ? rest_vectors() : s_.vectors;
        if (rows == 0 || vectors == 0 || (!rest_m && m_ < s_.rows) ||
            (!rest_n && n_ < s_.columns()))
          continue;
        const int last = rest_n && rest != 0 ? last_lanes() : static_cast<int>(s_.n_lanes());
        const auto tile = [&](bool careful, bool edge) {
          return emit_tile(c_, {rows, vectors, last, careful, edge});
        };
        tile_[rest_m][rest_n] = tile(false, false);
        if (guarded()) careful_[rest_m][rest_n] = tile(true, false);
        if (!edges_.empty()) edge_tile_[rest_m][rest_n] = tile(false, true);
      }
    }
    if (s_.a == Feed::packed || !edges_.empty()) pack_a_ = emit_pack(c_, TileAxis::m);
    if (s_.b == Feed::packed) pack_b_ = emit_pack(c_, TileAxis::n);
    if (heads() > 0) head_ = emit_head(c_);
    if (guarded() || looks_at_a()) not_finite_ = emit_not_finite(c_);
    finishes_ = finishes_in_tile(c_.plan);
    if (!finishes_) store_ = emit_store(c_);
    // Registers the forms that the entry itself evaluates, so that their slots are filled.
    for (const bool is_a : {true, false}) {
      if ((is_a ? s_.a : s_.b) == Feed::packed) continue;
      llvm::BasicBlock* unused = llvm::BasicBlock::Create(c_.llvm, "", entry_);
      llvm::IRBuilder<> scrap(unused);
      ContractionPoint point;
      (is_a ? point.m : point.n) = num(0);
      const Read& read = *affine_read(is_a ? contraction().a : contraction().b, s_.product);
      c_.evaluate(scrap, scratch(), *address_of(read), point);
      if (is_a)
        for (const PadEdge& edge : edges_) c_.evaluate(scrap, scratch(), edge.index, point);
      unused->eraseFromParent();
    }
  }

  void reserve_buffers() {
    const int64_t element = c_.element_bytes();
    if (pack_a_ != nullptr)
      packed_a_ = c_.reserve((s_.m_block * words(s_.k_block) * s_.width() + s_.lanes) * element);
    if (not_finite_ != nullptr) some_not_finite_ = c_.reserve(1);
    if (pack_b_ != nullptr) packed_b_ = c_.reserve(n_padded() * rows_of_b() * s_.width() * element);
    if (s_.a == Feed::direct) rows_ = c_.reserve((s_.m_chunk + s_.rows) * 8);
    if (!edges_.empty()) meets_pad_ = c_.reserve(s_.m_chunk / s_.rows + 1);
    if (!finishes_)
      sums_ = c_.reserve(kept_sums(c_.plan) * element * (is_compensated(c_.plan) ? 2 : 1));
  }

  void emit_chunk(llvm::Value* chunk) {
    const int64_t m_blocks = (m_ + s_.m_chunk - 1) / s_.m_chunk;
    const int64_t n_blocks = (n_ + s_.n_block - 1) / s_.n_block;
    llvm::Value* m_index = b_.CreateURem(chunk, num(m_blocks));
    llvm::Value* rest = b_.CreateUDiv(chunk, num(m_blocks));
    llvm::Value* m0 = b_.CreateMul(m_index, num(s_.m_chunk));
    llvm::Value* n0 = b_.CreateMul(b_.CreateURem(rest, num(n_blocks)), num(s_.n_block));
    n0_ = n0;
    llvm::Value* batch = first_batch(b_.CreateUDiv(rest, num(n_blocks)));
    m_count_ = emit_min(b_, num(s_.m_chunk), b_.CreateSub(num(m_), m0));
    n_count_ = emit_min(b_, num(s_.n_block), b_.CreateSub(num(n_), n0));
    c_.fill_slots(b_, scratch(), batch, m0, n0);
    c_.fill_tables(b_, scratch(), TileAxis::m, m0, m_count_);
    llvm::Value* fresh =
        b_.CreateOr(b_.CreateICmpEQ(chunk, entry_->getArg(2)), b_.CreateICmpEQ(m_index, num(0)));
    if (s_.keeps_b) fresh = b_.CreateAnd(fresh, b_.CreateNot(entry_->getArg(5)));
    emit_if(b_, fresh, [&] {
      c_.fill_tables(b_, scratch(), TileAxis::n, n0, n_count_);
      if (pack_b_ == nullptr || s_.b_by_block) return;
      if (contraction().guarded_a) begin_other();
      emit_loop(b_, num(0), num(k_), s_.k_block, [&](llvm::Value* k0) { pack_block_of_b(k0); });
    });
    if (s_.a == Feed::direct) fill_rows();
    if (!edges_.empty()) find_edges();
    emit_loop(b_, num(0), num(k_), s_.k_block, [&](llvm::Value* k0) { emit_k_block(k0); });
  }

  // The first batch of a block of batches.
  llvm::Value* first_batch(llvm::Value* block) {
    if (!s_.batched) return block;
    const int64_t innermost = c_.plan.layout.batch.back().extent;
    const int64_t blocks = (innermost + s_.lanes - 1) / s_.lanes;
    llvm::Value* first = b_.CreateMul(b_.CreateURem(block, num(blocks)), num(s_.lanes));
    c_.set_valid_batches(b_, scratch(),
                         emit_min(b_, num(s_.lanes), b_.CreateSub(num(innermost), first)));
    return b_.CreateAdd(b_.CreateMul(b_.CreateUDiv(block, num(blocks)), num(innermost)), first);
  }
  llvm::Value* k_count(llvm::Value* k0) {
    return emit_min(b_, num(s_.k_block), b_.CreateSub(num(k_), k0));
  }
  // Columns of the panel that starts at n, as packed: whole vectors.
  llvm::Value* panel_columns(llvm::Value* n) {
    if (rest_vectors() == 0) return num(s_.columns());
    llvm::Value* whole = b_.CreateICmpSLE(b_.CreateAdd(n, num(s_.columns())), n_count_);
    return b_.CreateSelect(whole, num(s_.columns()), num(rest_vectors() * s_.n_lanes()));
  }
  // Packed b: k blocks one after the other, in each the panels, in each, behind its head, a row of
  // the panel's columns for each word of k.
  llvm::Value* b_panel(llvm::Value* k0, llvm::Value* count, llvm::Value* n) {
    llvm::Value* before = s_.b_by_block ? num(0) : words(k0);
    llvm::Value* rows = words(count);
    if (heads() > 0) {
      if (!s_.b_by_block) before = b_.CreateAdd(before, b_.CreateUDiv(k0, num(s_.k_block)));
      rows = b_.CreateAdd(rows, num(1));
    }
    llvm::Value* offset =
        b_.CreateAdd(b_.CreateMul(before, num(n_padded())), b_.CreateMul(n, rows));
    return at(buffer(packed_b_), offset);
  }
  llvm::Value* a_panel(llvm::Value* m, llvm::Value* count) {
    return at(buffer(packed_a_), b_.CreateMul(b_.CreateSub(m, m_begin_), words(count)));
  }

  void call(llvm::Function* function, const std::vector<llvm::Value*>& args) {
    b_.CreateCall(function, args)->setCallingConv(llvm::CallingConv::Fast);
  }

  // Panels of `columns` (each `stride` wide) from `first(n)` on, for n from `begin` to `end`. Where
  // rows lie in memory across the panels, a few steps of k are packed into all of them before the
  // next few: a line that two panels share is then still in the first cache for the second of them,
  // and rows are read as streams.
  struct Panels {
    llvm::Function* pack;
    TileAxis side;
    llvm::Value* begin;
    llvm::Value* end;
    int64_t columns;
    std::function<llvm::Value*(llvm::Value*)> stride, first;
    std::function<llvm::Value*(llvm::Value*)> is_needed = nullptr;  // all are without it
  };
  void pack_panels(const Panels& panels, llvm::Value* k0, llvm::Value* count) {
    const int64_t strip = packs_along_k(c_, panels.side) ? s_.k_block : kStrip;
    emit_loop(b_, num(0), count, strip, [&](llvm::Value* k) {
      llvm::Value* steps = emit_min(b_, num(strip), b_.CreateSub(count, k));
      emit_loop(b_, panels.begin, panels.end, panels.columns, [&](llvm::Value* n) {
        llvm::Value* columns = emit_min(b_, num(panels.columns), b_.CreateSub(panels.end, n));
        llvm::Value* stride = panels.stride(n);
        const auto pack = [&] {
          call(panels.pack,
               {entry_->getArg(0), scratch(), entry_->getArg(4), n, columns, stride,
                b_.CreateAdd(k0, k), steps, at(panels.first(n), b_.CreateMul(words(k), stride))});
        };
        if (panels.is_needed)
          emit_if(b_, panels.is_needed(n), pack);
        else
          pack();
      });
    });
  }

  void pack_block_of_b(llvm::Value* k0) {
    llvm::Value* count = k_count(k0);
    const auto stride = [&](llvm::Value* n) { return panel_columns(n); };
    const auto first = [&](llvm::Value* n) {
      llvm::Value* head = b_panel(k0, count, n);
      return heads() > 0 ? at(head, panel_columns(n)) : head;
    };
    pack_panels({pack_b_, TileAxis::n, num(0), n_count_, s_.columns(), stride, first}, k0, count);
    if (heads() == 0 && !contraction().guarded_a) return;
    emit_loop(b_, num(0), n_count_, s_.columns(), [&](llvm::Value* n) {
      if (heads() > 0) call(head_, {scratch(), b_panel(k0, count, n), stride(n), words(count)});
      if (contraction().guarded_a) look_at_other(first(n), b_.CreateMul(stride(n), words(count)));
    });
  }

  void pack_block_of_a(llvm::Value* k0, llvm::Value* count) {
    const auto stride = [&](llvm::Value*) { return num(s_.rows); };
    const auto first = [&](llvm::Value* m) { return a_panel(m, count); };
    Panels panels{pack_a_, TileAxis::m, m_begin_, m_end_, s_.rows, stride, first};
    if (!edges_.empty()) panels.is_needed = [&](llvm::Value* m) { return meets_pad(m); };
    pack_panels(panels, k0, count);
    if (!looks_at_a()) return;
    begin_other();
    emit_loop(b_, m_begin_, m_end_, s_.rows, [&](llvm::Value* m) {
      look_at_other(first(m), b_.CreateMul(num(s_.rows), words(count)));
    });
  }

  // Where a direct operand lies at one m or n, for k = 0.
  llvm::Value* direct_at(const Expr& operand, TileAxis axis, llvm::Value* index) {
    ContractionPoint point;
    point[axis] = index;
    const Read& read = *affine_read(operand, s_.product);
    const Tensor& tensor = read.tensor;
    llvm::Value* offset = c_.evaluate(b_, scratch(), *address_of(read), point);
    const auto argument = static_cast<uint64_t>(c_.argument_of(tensor));
    llvm::Value* slot = b_.CreateConstInBoundsGEP1_64(c_.pointer, entry_->getArg(0), argument);
    // Not in bounds for rows that meet a pad, which nobody follows.
    return b_.CreateGEP(memory_type(c_.llvm, tensor.type()), b_.CreateLoad(c_.pointer, slot),
                        offset);
  }

  void fill_rows() {
    emit_loop(b_, num(0), m_count_, 1, [&](llvm::Value* m) {
      llvm::Value* slot = b_.CreateInBoundsGEP(c_.pointer, buffer(rows_), m);
      b_.CreateStore(direct_at(contraction().a, TileAxis::m, m), slot);
    });
  }

  // Which panels of a's block have a row that is outside of the tensor for some k.
  void find_edges() {
    emit_loop(b_, num(0), m_count_, s_.rows, [&](llvm::Value* first) {
      llvm::Value* flag = pad_flag(first);
      b_.CreateStore(b_.getInt8(0), flag);
      llvm::Value* end = emit_min(b_, b_.CreateAdd(first, num(s_.rows)), m_count_);
      emit_loop(b_, first, end, 1, [&](llvm::Value* m) {
        ContractionPoint point;
        point.m = m;
        llvm::Value* meets = b_.getFalse();
        for (const PadEdge& edge : edges_) {
          int64_t low = 0, high = 0;  // what k adds
          for (const IndexLevel& level : c_.plan.layout.k) {
            const int64_t most = step_of(edge.index, level) * (level.extent - 1);
            (most < 0 ? low : high) += most;
          }
          llvm::Value* index = c_.evaluate(b_, scratch(), edge.index, point);
          meets = b_.CreateOr(meets, b_.CreateICmpSLT(index, num(-low)));
          meets = b_.CreateOr(meets, b_.CreateICmpSGE(index, num(edge.extent - high)));
        }
        llvm::Value* before = b_.CreateLoad(b_.getInt8Ty(), flag);
        b_.CreateStore(b_.CreateOr(before, b_.CreateZExt(meets, b_.getInt8Ty())), flag);
      });
    });
  }
  llvm::Value* pad_flag(llvm::Value* m) {
    return b_.CreateInBoundsGEP(b_.getInt8Ty(), buffer(meets_pad_), b_.CreateUDiv(m, num(s_.rows)));
  }
  llvm::Value* meets_pad(llvm::Value* m) {
    return b_.CreateICmpNE(b_.CreateLoad(b_.getInt8Ty(), pad_flag(m)), b_.getInt8(0));
  }

  void emit_k_block(llvm::Value* k0) {
    llvm::Value* count = k_count(k0);
    if (s_.b_by_block) {
      if (contraction().guarded_a) begin_other();
      pack_block_of_b(k0);
    }
    const auto emit_m_block = [&](llvm::Value* begin) {
      m_begin_ = begin;
      m_end_ = emit_min(b_, b_.CreateAdd(begin, num(s_.m_block)), m_count_);
      if (pack_a_ != nullptr) pack_block_of_a(k0, count);
      emit_loop(b_, num(0), n_count_, s_.columns(), [&](llvm::Value* n) {
        emit_loop(b_, m_begin_, m_end_, s_.rows,
                  [&](llvm::Value* m) { emit_tile_at(m, n, k0, count); });
      });
    };
    if (s_.m_chunk > s_.m_block)
      emit_loop(b_, num(0), m_count_, s_.m_block, emit_m_block);
    else
      emit_m_block(num(0));
  }

  void emit_tile_at(llvm::Value* m, llvm::Value* n, llvm::Value* k0, llvm::Value* count) {
    llvm::Value* sums = finishes_ ? nullptr : buffer(sums_);
    if (k_blocks() > 1)  // all tiles of the chunk are kept between k blocks
      sums = at(sums,
                b_.CreateAdd(b_.CreateMul(n, num(s_.m_chunk)), b_.CreateMul(m, num(s_.columns()))));
    TileAt tile{m, n, a_at(m, count), b_at(n, k0, count), sums, k0, count, nullptr};
    if (!finishes_) tile.first = b_.CreateZExt(b_.CreateICmpEQ(k0, num(0)), c_.i64);
    if (s_.skips_pads)
      emit_live_tile(tile);
    else
      call_tile_at(tile);
    if (finishes_) return;
    llvm::Value* rows = emit_min(b_, num(s_.rows), b_.CreateSub(m_count_, m));
    llvm::Value* columns = emit_min(b_, num(s_.columns()), b_.CreateSub(n_count_, n));
    llvm::Value* last = b_.CreateICmpSGE(b_.CreateAdd(k0, num(s_.k_block)), num(k_));
    emit_if(b_, last, [&] {
      call(store_, {entry_->getArg(0), scratch(), entry_->getArg(4), m, rows, n, columns, sums});
    });
  }

  llvm::Value* a_at(llvm::Value* m, llvm::Value* count) {
    if (s_.a == Feed::packed) return a_panel(m, count);
    return b_.CreateInBoundsGEP(c_.pointer, buffer(rows_), m);
  }
  llvm::Value* b_at(llvm::Value* n, llvm::Value* k0, llvm::Value* count) {
    if (pack_b_ != nullptr) return b_panel(k0, count, n);
    return direct_at(contraction().b, TileAxis::n, n);
  }

  // One tile for the steps [k, k + count): where its operands and its sums are.
  struct TileAt {
    llvm::Value* m;
    llvm::Value* n;
    llvm::Value* a;
    llvm::Value* b;
    llvm::Value* sums;
    llvm::Value* k;
    llvm::Value* count;
    llvm::Value* first;
  };
  void call_tile_at(const TileAt& tile) {
    std::vector<llvm::Value*> args = {scratch(), tile.a, tile.b, words(tile.k), words(tile.count)};
    if (finishes_) {
      args.insert(args.begin(), entry_->getArg(0));
      args.insert(args.begin() + 2, entry_->getArg(4));
      args.insert(args.end(), {tile.m, tile.n});
    } else {
      args.insert(args.end(), {tile.sums, tile.first});
    }
    llvm::Value* whole_m = b_.CreateICmpSLE(b_.CreateAdd(tile.m, num(s_.rows)), m_count_);
    llvm::Value* whole_n = b_.CreateICmpSLE(b_.CreateAdd(tile.n, num(s_.columns())), n_count_);
    for (const bool rest_m : {false, true}) {
      for (const bool rest_n : {false, true}) {
        if (tile_[rest_m][rest_n] == nullptr) continue;
        llvm::Value* here = b_.CreateAnd(rest_m ? b_.CreateNot(whole_m) : whole_m,
                                         rest_n ? b_.CreateNot(whole_n) : whole_n);
        emit_if(b_, here, [&] {
          if (edges_.empty()) {
            call_tile(rest_m, rest_n, args);
            return;
          }
          llvm::Value* edge = meets_pad(tile.m);
          emit_if(b_, b_.CreateNot(edge), [&] { call(tile_[rest_m][rest_n], args); });
          emit_if(b_, edge, [&] {
            std::vector<llvm::Value*> of_panel = args;
            *std::find(of_panel.begin(), of_panel.end(), tile.a) = a_panel(tile.m, tile.count);
            call(edge_tile_[rest_m][rest_n], of_panel);
          });
        });
      }
    }
  }

  // The tile where it multiplies more than pads; all of it where some of a is not finite, of which
  // 0 times is no number.
  void emit_live_tile(const TileAt& tile) {
    llvm::Value* bytes = num(int64_t{s_.rows} * s_.columns() * c_.element_bytes());
    emit_if(b_, b_.CreateICmpEQ(tile.k, num(0)), [&] {
      b_.CreateMemSet(tile.sums, b_.getInt8(0), bytes, llvm::MaybeAlign());
      if (is_compensated(c_.plan))
        b_.CreateMemSet(at(tile.sums, num(kept_sums(c_.plan))), b_.getInt8(0), bytes,
                        llvm::MaybeAlign());
    });
    llvm::Value* all = b_.getFalse();
    if (not_finite_ != nullptr) all = b_.CreateLoad(b_.getInt1Ty(), buffer(some_not_finite_));
    llvm::Value* columns = panel_columns(tile.n);
    const LiveRuns where{b_.CreateAdd(n0_, tile.n), tile.k, tile.count, all};
    emit_live_runs(c_, b_, where, [&](llvm::Value* k, llvm::Value* count) {
      llvm::Value* before = b_.CreateSub(k, tile.k);
      TileAt part = tile;
      part.a = at(tile.a, b_.CreateMul(before, num(s_.rows)));
      part.b = at(tile.b, b_.CreateMul(before, columns));
      part.k = k;
      part.count = count;
      part.first = num(0);
      call_tile_at(part);
    });
  }

  void call_tile(bool rest_m, bool rest_n, const std::vector<llvm::Value*>& args) {
    if (!guarded()) {
      call(tile_[rest_m][rest_n], args);
      return;
    }
    llvm::Value* careful = b_.CreateLoad(b_.getInt1Ty(), buffer(some_not_finite_));
    emit_if(b_, careful, [&] { call(careful_[rest_m][rest_n], args); });
    emit_if(b_, b_.CreateNot(careful), [&] { call(tile_[rest_m][rest_n], args); });
  }

  ContractionContext& c_;
  const ContractionSchedule& s_;
  llvm::IRBuilder<> b_;
  llvm::Function* entry_;
  int64_t m_, n_, k_;
  llvm::Function* tile_[2][2] = {};
  llvm::Function* careful_[2][2] = {};  // of guarded products
  llvm::Function* edge_tile_[2][2] = {};
  std::vector<PadEdge> edges_;  // that rows read where they lie may meet
  llvm::Function* pack_a_ = nullptr;
  llvm::Function* pack_b_ = nullptr;
  llvm::Function* head_ = nullptr;
  llvm::Function* not_finite_ = nullptr;
  llvm::Function* store_ = nullptr;
  bool finishes_ = false;
  // Offsets in scratch.
  int64_t packed_a_ = 0, packed_b_ = 0, rows_ = 0, meets_pad_ = 0, sums_ = 0;
  int64_t some_not_finite_ = 0;
  llvm::Value* n0_ = nullptr;       // where the chunk's block of n begins
  llvm::Value* m_begin_ = nullptr;  // of the block of a chunk's m
  llvm::Value* m_end_ = nullptr;
  llvm::Value* m_count_ = nullptr;
  llvm::Value* n_count_ = nullptr;
};

}  // namespace

ContractionCode emit_contraction(llvm::Module& module, const ContractionPlan& plan,
                                 const std::string& name, size_t first_fault) {
  ContractionContext context(module, plan);
  context.first_fault = first_fault;
  llvm::Type* pointer = context.pointer;
  std::vector<llvm::Type*> params = {pointer, pointer, context.i64, context.i64, pointer};
  if (plan.schedule.keeps_b) params.push_back(llvm::Type::getInt1Ty(module.getContext()));
  llvm::Function* entry = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(module.getContext()), params, false),
      llvm::GlobalValue::ExternalLinkage, name, module);
  EntryEmitter(context, entry).emit();
  context.finish_functions();
  return {.entry = entry,
          .chunks = plan.schedule.chunks,
          .scratch_bytes = static_cast<size_t>(context.scratch_bytes()),
          .faults = context.faults};
}

}  // namespace tessera
