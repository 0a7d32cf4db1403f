#include "codegen/llvm/random_bits.h"

#include "base/philox.h"

namespace tessera {

llvm::Value* emit_random_bits(llvm::IRBuilderBase& b, llvm::Value* seed, llvm::Value* counter) {
  llvm::Type* type = seed->getType();
  const auto number = [&](uint64_t value) { return llvm::ConstantInt::get(type, value); };
  const auto low = [&](llvm::Value* x) { return b.CreateAnd(x, number(0xFFFFFFFF)); };
  const auto high = [&](llvm::Value* x) { return b.CreateLShr(x, 32); };

  llvm::Value* zero = number(0);
  llvm::Value* words[4] = {low(counter), high(counter), zero, zero};
  llvm::Value* keys[2] = {low(seed), high(seed)};
  for (int round = 0; round < kPhiloxRounds; ++round) {
    llvm::Value* first = b.CreateMul(words[0], number(kPhiloxFactor[0]));
    llvm::Value* third = b.CreateMul(words[2], number(kPhiloxFactor[1]));
    words[0] = b.CreateXor(b.CreateXor(high(third), words[1]), keys[0]);
    words[1] = low(third);
    words[2] = b.CreateXor(b.CreateXor(high(first), words[3]), keys[1]);
    words[3] = low(first);
    for (int i = 0; i < 2; ++i) keys[i] = low(b.CreateAdd(keys[i], number(kPhiloxWeyl[i])));
  }
  return b.CreateOr(b.CreateShl(words[0], 21), b.CreateLShr(words[1], 11));
}

}  // namespace tessera
