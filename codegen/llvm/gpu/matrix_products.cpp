#include "codegen/gpu/gpu_schedule.h"
#include "codegen/llvm/gpu/tile_products.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

constexpr int kLines = 16, kColumns = 8;  // of one product
constexpr int kBytesOfK = 32;
constexpr int kSquare = 8;  // lines of what is read at once, of 16 bytes

// One operand's squares, as the lanes of a warp read them: 16 lines (of m or n) by two chunks of k
// at once. The four squares are, by the number that lanes / 8 is:
//
//   a   lines 0-7, then 8-15 of chunk 0; lines 0-7, then 8-15 of chunk 1
//   b   lines 0-7 of chunk 0, then 1; lines 8-15 of chunk 0, then 1
//
// Where lines in shared memory are steps of k instead, squares are turned.
class Squares {
 public:
  // `first`: the warp's first row or column, i32, a multiple of 16.
  Squares(llvm::IRBuilderBase& builder, GpuThreads& threads, const SharedTile& shared,
          llvm::Value* lane, llvm::Value* first, bool lines_first)
      : b_(builder), threads_(threads), shared_(shared) {
    llvm::Value* in_square = b_.CreateURem(lane, number(kSquare));
    llvm::Value* square = b_.CreateUDiv(lane, number(kSquare));
    llvm::Value* inner = b_.CreateURem(square, number(2));
    llvm::Value* outer = b_.CreateUDiv(square, number(2));
    llvm::Value* of_lines = lines_first ? inner : outer;
    llvm::Value* of_k = lines_first ? outer : inner;
    llvm::Value* line = nullptr;
    if (shared_.along_k) {
      line = b_.CreateAdd(first, b_.CreateMul(of_lines, number(kSquare)));
      chunk_ = of_k;
    } else {
      line = b_.CreateMul(of_k, number(kSquare));
      chunk_ = b_.CreateAdd(b_.CreateUDiv(first, number(kSquare)), of_lines);
    }
    line_ = b_.CreateMul(b_.CreateAdd(line, in_square), number(shared_.line_bytes()));
    // All lines of a square begin at multiples of 8, so that only the place in it decides.
    turn_ = shared_.chunks() >= kSquare
                ? in_square
                : b_.CreateUDiv(in_square, number(kSquare / shared_.chunks()));
  }

  // Of the tile at `memory`: 16 of m or n from `first` + 16 * group on, at the step-th 32 bytes of
  // k.
  std::array<llvm::Value*, 4> read(llvm::Value* memory, int group, int step) {
    const int lines = shared_.along_k ? group * kLines : step * kLines;
    const int chunks = shared_.along_k ? 2 * step : 2 * group;
    llvm::Value* chunk = b_.CreateXor(b_.CreateAdd(chunk_, number(chunks)), turn_);
    llvm::Value* at = b_.CreateAdd(line_, b_.CreateMul(chunk, number(SharedTile::kChunkBytes)));
    llvm::Value* place = b_.CreateGEP(b_.getInt8Ty(), memory, b_.CreateZExt(at, b_.getInt64Ty()));
    place = b_.CreateConstGEP1_64(b_.getInt8Ty(), place,
                                  static_cast<uint64_t>(lines * shared_.line_bytes()));
    return threads_.squares(place, !shared_.along_k);
  }

 private:
  llvm::Value* number(int value) { return b_.getInt32(static_cast<uint32_t>(value)); }

  llvm::IRBuilderBase& b_;
  GpuThreads& threads_;
  const SharedTile shared_;
  llvm::Value *line_ = nullptr, *chunk_ = nullptr, *turn_ = nullptr;
};

class MatrixProducts : public TileProducts {
 public:
  explicit MatrixProducts(const ProductContext& context)
      : b_(context.builder),
        tile_(context.tile),
        threads_(context.threads),
        sum_type_(register_type(b_.getContext(), tile_.group.contraction.type)),
        sums_(make_sums(context, products() * 4)) {
    const GpuTileShape& s = tile_.shape;
    lane_ = b_.CreateURem(context.thread, number(kGpuWarp));
    llvm::Value* warp = b_.CreateUDiv(context.thread, number(kGpuWarp));
    llvm::Value* across = number(s.columns / s.part_columns);
    row_ = b_.CreateMul(b_.CreateUDiv(warp, across), number(s.part_rows));
    column_ = b_.CreateMul(b_.CreateURem(warp, across), number(s.part_columns));
    left_.emplace(b_, threads_, tile_.shared_a(), lane_, row_, true);
    right_.emplace(b_, threads_, tile_.shared_b(), lane_, column_, false);
  }

  void multiply(llvm::Value* a, llvm::Value* b, llvm::Value*) override {
    const int steps = tile_.shape.depth * static_cast<int>(tile_.narrow->bytes()) / kBytesOfK;
    for (int step = 0; step < steps; ++step) {
      std::vector<GpuThreads::Words> rows, columns;
      for (int i = 0; i < down(); ++i) rows.push_back(left_->read(a, i, step));
      for (int j = 0; j < across() / 2; ++j) columns.push_back(right_->read(b, j, step));
      for (int i = 0; i < down(); ++i)
        for (int j = 0; j < across(); ++j) {
          const GpuThreads::Words& both = columns[static_cast<size_t>(j / 2)];
          const size_t half = j % 2 == 0 ? 0 : 2;
          add(i, j, rows[static_cast<size_t>(i)], {both[half], both[half + 1]});
        }
    }
  }

  std::vector<Result> results(int lanes) override {
    llvm::Value* line = b_.CreateAdd(row_, b_.CreateUDiv(lane_, number(4)));
    llvm::Value* pair = b_.CreateMul(b_.CreateURem(lane_, number(4)), number(2));
    std::vector<Result> all;
    for (int i = 0; i < down(); ++i)
      for (int half = 0; half < 2; ++half) {
        llvm::Value* row = b_.CreateAdd(line, number(i * kLines + half * kSquare));
        for (int j = 0; j < across(); ++j)
          for (int l = 0; l < 2; l += lanes) {
            Result result{
                row, b_.CreateAdd(b_.CreateAdd(column_, pair), number(j * kColumns + l)), {}};
            for (int each = l; each < l + lanes; ++each)
              result.sums.push_back(sum(i, j, 2 * half + each));
            all.push_back(std::move(result));
          }
      }
    return all;
  }

 private:
  int down() const { return tile_.shape.part_rows / kLines; }
  int across() const { return tile_.shape.part_columns / kColumns; }
  int products() const { return down() * across(); }
  llvm::Value* number(int value) { return b_.getInt32(static_cast<uint32_t>(value)); }
  llvm::AllocaInst* sum(int i, int j, int word) const {
    return sums_[static_cast<size_t>((i * across() + j) * 4 + word)];
  }

  void add(int i, int j, const GpuThreads::Words& a, const std::array<llvm::Value*, 2>& b) {
    GpuThreads::Words before{};
    for (int w = 0; w < 4; ++w)
      before[static_cast<size_t>(w)] = b_.CreateLoad(sum_type_, sum(i, j, w));
    const GpuThreads::Words after = threads_.multiply(*tile_.narrow, a, b, before);
    for (int w = 0; w < 4; ++w) b_.CreateStore(after[static_cast<size_t>(w)], sum(i, j, w));
  }

  llvm::IRBuilderBase& b_;
  const GpuTile& tile_;
  GpuThreads& threads_;
  llvm::Type* sum_type_;
  const std::vector<llvm::AllocaInst*> sums_;  // four words of each product
  llvm::Value *lane_ = nullptr, *row_ = nullptr, *column_ = nullptr;
  std::optional<Squares> left_, right_;
};

}  // namespace

std::unique_ptr<TileProducts> matrix_products(const ProductContext& context) {
  return std::make_unique<MatrixProducts>(context);
}

}  // namespace tessera
