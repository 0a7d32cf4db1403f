#include "codegen/llvm/transpose.h"

namespace tessera {

void transpose(llvm::IRBuilderBase& b, std::vector<llvm::Value*>& rows) {
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

}  // namespace tessera
