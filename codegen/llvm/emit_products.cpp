#include "codegen/llvm/emit_products.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <vector>

#include "base/error.h"
#include "codegen/llvm/scalars.h"
#include "codegen/llvm/x86_widths.h"

namespace tessera {
namespace {

using llvm::Intrinsic::ID;

constexpr Widths kDotBf16 = {llvm::Intrinsic::x86_avx512bf16_dpbf16ps_128,
                             llvm::Intrinsic::x86_avx512bf16_dpbf16ps_256,
                             llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512};
constexpr Widths kDotI8 = {llvm::Intrinsic::x86_avx512_vpdpbusd_128,
                           llvm::Intrinsic::x86_avx512_vpdpbusd_256,
                           llvm::Intrinsic::x86_avx512_vpdpbusd_512};
constexpr Widths kDotI16 = {llvm::Intrinsic::x86_avx512_vpdpwssd_128,
                            llvm::Intrinsic::x86_avx512_vpdpwssd_256,
                            llvm::Intrinsic::x86_avx512_vpdpwssd_512};
constexpr Widths kMultiplyPairs = {llvm::Intrinsic::x86_sse2_pmadd_wd,
                                   llvm::Intrinsic::x86_avx2_pmadd_wd,
                                   llvm::Intrinsic::x86_avx512_pmaddw_d_512};

// Arguments as the version of LLVM types them: words, or what is in them.
llvm::Value* call(llvm::IRBuilderBase& b, ID id, std::vector<llvm::Value*> args) {
  const llvm::FunctionType* type = llvm::Intrinsic::getType(b.getContext(), id);
  for (unsigned i = 0; i < args.size(); ++i)
    args[i] = b.CreateBitCast(args[i], type->getParamType(i));
  return b.CreateIntrinsic(id, {}, args);
}

}  // namespace

llvm::Value* emit_products(llvm::IRBuilderBase& b, const NarrowProduct& product, llvm::Value* x,
                           llvm::Value* y, llvm::Value* sum) {
  const int lanes = lanes_of(sum);
  switch (product.unit) {
    case ProductUnit::dot_bf16:
      return call(b, kDotBf16[lanes], {sum, x, y});
    case ProductUnit::dot_i16:
      return call(b, kDotI16[lanes], {sum, x, y});
    case ProductUnit::madd_i16:
      return b.CreateAdd(sum, call(b, kMultiplyPairs[lanes], {x, y}));
    case ProductUnit::dot_i8: {
      const bool a_has_sign = product.a_signed != product.shifts_a();
      return call(b, kDotI8[lanes], {sum, a_has_sign ? y : x, a_has_sign ? x : y});
    }
    case ProductUnit::none:
      break;
  }
  TESSERA_CHECK(false) << "no unit for narrow products";
  return nullptr;
}

llvm::Value* narrow_bits(llvm::IRBuilderBase& b, const NarrowProduct& product, llvm::Value* value) {
  if (product.unit != ProductUnit::dot_bf16) return value;
  llvm::Type* i32 = shaped(b.getInt32Ty(), lanes_of(value));
  return b.CreateLShr(b.CreateBitCast(value, i32), llvm::ConstantInt::get(i32, 16));
}

int narrow_width(const NarrowProduct& product) {
  return 32 / product.group();
}

}  // namespace tessera
