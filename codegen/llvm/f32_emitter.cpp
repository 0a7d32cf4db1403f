#include "codegen/llvm/f32_emitter.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <numeric>

#include "codegen/llvm/module_setup.h"
#include "codegen/llvm/scalars.h"
#include "codegen/llvm/x86_widths.h"

namespace tessera {
namespace {

llvm::Value* call_scalar(llvm::IRBuilderBase& b, Fn fn, const std::vector<llvm::Value*>& args) {
  llvm::Type* type = args[0]->getType();
  std::string name = fn == Fn::sigmoid ? "exp" : info(fn).name;
  if (type->isFloatTy()) name += "f";
  llvm::Module* module = b.GetInsertBlock()->getModule();
  llvm::FunctionCallee callee = module->getOrInsertFunction(
      name, llvm::FunctionType::get(type, std::vector<llvm::Type*>(args.size(), type), false));
  if (auto* function = llvm::dyn_cast<llvm::Function>(callee.getCallee())) {
    function->setDoesNotThrow();
    function->setDoesNotAccessMemory();
    function->setWillReturn();
  }
  return b.CreateCall(callee, args);
}

constexpr int kMostLanes = 16;  // of a register
constexpr Widths kScale = {llvm::Intrinsic::x86_avx512_mask_scalef_ps_128,
                           llvm::Intrinsic::x86_avx512_mask_scalef_ps_256,
                           llvm::Intrinsic::x86_avx512_mask_scalef_ps_512};
constexpr Widths kInverse = {llvm::Intrinsic::x86_avx512_rcp14_ps_128,
                             llvm::Intrinsic::x86_avx512_rcp14_ps_256,
                             llvm::Intrinsic::x86_avx512_rcp14_ps_512};

// On all lanes of one vector register.
llvm::Value* call_avx512(llvm::IRBuilderBase& b, const Widths& widths,
                         std::vector<llvm::Value*> args) {
  const int lanes = lanes_of(args[0]);
  const llvm::Intrinsic::ID id = widths[lanes];
  args.push_back(llvm::Constant::getNullValue(args[0]->getType()));
  args.push_back(lanes == 16 ? b.getInt16(0xffff) : b.getInt8(0xff));
  const size_t all = llvm::Intrinsic::getType(b.getContext(), id)->getNumParams();
  if (args.size() < all) args.push_back(b.getInt32(4));  // rounds as everything else does
  return b.CreateIntrinsic(id, {}, args);
}

// Register by register, for vectors of several.
llvm::Value* call_by_parts(llvm::IRBuilderBase& b, const Widths& widths,
                           const std::vector<llvm::Value*>& args) {
  const int lanes = lanes_of(args[0]);
  if (lanes <= kMostLanes) return call_avx512(b, widths, args);
  std::vector<llvm::Value*> parts;
  for (int first = 0; first < lanes; first += kMostLanes) {
    llvm::SmallVector<int, kMostLanes> places(kMostLanes);
    std::iota(places.begin(), places.end(), first);
    std::vector<llvm::Value*> of_part;
    for (llvm::Value* arg : args) of_part.push_back(b.CreateShuffleVector(arg, places));
    parts.push_back(call_avx512(b, widths, of_part));
  }
  return llvm::concatenateVectors(b, parts);
}

}  // namespace

llvm::Value* call_library(llvm::IRBuilderBase& b, Fn fn, const std::vector<llvm::Value*>& args) {
  const int lanes = lanes_of(args[0]);
  if (lanes == 0) return call_scalar(b, fn, args);
  llvm::Value* result = llvm::PoisonValue::get(args[0]->getType());
  for (int lane = 0; lane < lanes; ++lane) {
    std::vector<llvm::Value*> scalars;
    for (llvm::Value* arg : args)
      scalars.push_back(b.CreateExtractElement(arg, static_cast<uint64_t>(lane)));
    result =
        b.CreateInsertElement(result, call_scalar(b, fn, scalars), static_cast<uint64_t>(lane));
  }
  return result;
}

llvm::Type* F32Emitter::type(llvm::Type* element) const {
  return shaped(element, lanes_);
}

Emitter::Value F32Emitter::real(double value) {
  return wrap(llvm::ConstantFP::get(type(b_.getFloatTy()), static_cast<float>(value)));
}
Emitter::Value F32Emitter::wide(double value) {
  return wrap(llvm::ConstantFP::get(type(b_.getDoubleTy()), value));
}
Emitter::Value F32Emitter::integer(int32_t value) {
  return wrap(llvm::ConstantInt::getSigned(type(b_.getInt32Ty()), value));
}
Emitter::Value F32Emitter::add(Value a, Value b) {
  return wrap(b_.CreateFAdd(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::sub(Value a, Value b) {
  return wrap(b_.CreateFSub(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::mul(Value a, Value b) {
  return wrap(b_.CreateFMul(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::div(Value a, Value b) {
  return wrap(emit_division(b_, unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::fma(Value a, Value b, Value c) {
  return wrap(b_.CreateIntrinsic(llvm::Intrinsic::fma, {unwrap(a)->getType()},
                                 {unwrap(a), unwrap(b), unwrap(c)}));
}
Emitter::Value F32Emitter::neg(Value a) {
  return wrap(b_.CreateFNeg(unwrap(a)));
}
Emitter::Value F32Emitter::abs(Value a) {
  return wrap(b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, unwrap(a)));
}
Emitter::Value F32Emitter::floor(Value a) {
  return wrap(b_.CreateUnaryIntrinsic(llvm::Intrinsic::floor, unwrap(a)));
}
Emitter::Value F32Emitter::round(Value a) {
  return wrap(b_.CreateUnaryIntrinsic(llvm::Intrinsic::rint, unwrap(a)));
}
Emitter::Value F32Emitter::copysign(Value magnitude, Value sign) {
  return wrap(b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, unwrap(magnitude), unwrap(sign)));
}
Emitter::Value F32Emitter::less(Value a, Value b) {
  return wrap(b_.CreateFCmpOLT(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::equal(Value a, Value b) {
  return wrap(b_.CreateFCmpOEQ(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::is_nan(Value a) {
  return wrap(b_.CreateFCmpUNO(unwrap(a), unwrap(a)));
}
Emitter::Value F32Emitter::both(Value a, Value b) {
  return wrap(b_.CreateAnd(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::either(Value a, Value b) {
  return wrap(b_.CreateOr(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::negate(Value truth) {
  return wrap(b_.CreateNot(unwrap(truth)));
}
Emitter::Value F32Emitter::select(Value truth, Value a, Value b) {
  return wrap(b_.CreateSelect(unwrap(truth), unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::int_add(Value a, Value b) {
  return wrap(b_.CreateAdd(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::int_sub(Value a, Value b) {
  return wrap(b_.CreateSub(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::int_and(Value a, Value b) {
  return wrap(b_.CreateAnd(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::shift_left(Value a, int bits) {
  return wrap(b_.CreateShl(unwrap(a), static_cast<uint64_t>(bits)));
}
Emitter::Value F32Emitter::shift_right(Value a, int bits) {
  return wrap(b_.CreateAShr(unwrap(a), static_cast<uint64_t>(bits)));
}
Emitter::Value F32Emitter::int_equal(Value a, Value b) {
  return wrap(b_.CreateICmpEQ(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::int_less(Value a, Value b) {
  return wrap(b_.CreateICmpSLT(unwrap(a), unwrap(b)));
}
Emitter::Value F32Emitter::bits_of(Value f32) {
  return wrap(b_.CreateBitCast(unwrap(f32), type(b_.getInt32Ty())));
}
Emitter::Value F32Emitter::from_bits(Value i32) {
  return wrap(b_.CreateBitCast(unwrap(i32), type(b_.getFloatTy())));
}
Emitter::Value F32Emitter::to_int(Value a) {
  // Lanes that are masked off later may hold anything; freeze keeps them from spreading.
  return wrap(b_.CreateFreeze(b_.CreateFPToSI(unwrap(a), type(b_.getInt32Ty()))));
}
Emitter::Value F32Emitter::to_real(Value i32) {
  return wrap(b_.CreateSIToFP(unwrap(i32), type(b_.getFloatTy())));
}
Emitter::Value F32Emitter::widen(Value f32) {
  return wrap(b_.CreateFPExt(unwrap(f32), type(b_.getDoubleTy())));
}
Emitter::Value F32Emitter::narrow(Value f64) {
  return wrap(b_.CreateFPTrunc(unwrap(f64), type(b_.getFloatTy())));
}
Emitter::Value F32Emitter::int_to_wide(Value i32) {
  return wrap(b_.CreateSIToFP(unwrap(i32), type(b_.getDoubleTy())));
}
bool F32Emitter::has_avx512_lanes() const {
  return (lanes_ == 4 || lanes_ == 8 || (lanes_ > 0 && lanes_ % kMostLanes == 0)) &&
         has_avx512(*b_.GetInsertBlock()->getModule());
}
Emitter::Value F32Emitter::scale(Value a, Value n) {
  if (!has_avx512_lanes()) return Emitter::scale(a, n);
  return wrap(call_by_parts(b_, kScale, {unwrap(a), unwrap(n)}));
}
// Fourteen bits, and a step of Newton's.
Emitter::Value F32Emitter::inverse(Value a) {
  if (!has_avx512_lanes()) return Emitter::inverse(a);
  const Value rough = wrap(call_by_parts(b_, kInverse, {unwrap(a)}));
  const Value rest = fma(neg(a), rough, real(1));
  return fma(rough, rest, rough);
}
Emitter::Value F32Emitter::wide_power_of_two(Value exponent) {
  llvm::Type* i64 = type(b_.getInt64Ty());
  llvm::Value* biased =
      b_.CreateAdd(b_.CreateSExt(unwrap(exponent), i64), llvm::ConstantInt::get(i64, 1023));
  return wrap(b_.CreateBitCast(b_.CreateShl(biased, 52), type(b_.getDoubleTy())));
}

Emitter::Value F32Emitter::otherwise(Value rare, Value usual, Fn fn, Value arg) {
  llvm::LLVMContext& context = b_.getContext();
  llvm::Value* any = lanes_ == 0 ? unwrap(rare) : b_.CreateOrReduce(unwrap(rare));
  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  llvm::BasicBlock* library = llvm::BasicBlock::Create(context, "library", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(context, "after", function);
  b_.CreateCondBr(any, library, after);
  b_.SetInsertPoint(library);
  llvm::Value* zero = llvm::Constant::getNullValue(unwrap(arg)->getType());
  llvm::Value* called = call_library(b_, fn, {b_.CreateSelect(unwrap(rare), unwrap(arg), zero)});
  llvm::Value* mixed = b_.CreateSelect(unwrap(rare), called, unwrap(usual));
  library = b_.GetInsertBlock();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
  llvm::PHINode* merged = b_.CreatePHI(unwrap(usual)->getType(), 2);
  merged->addIncoming(unwrap(usual), before);
  merged->addIncoming(mixed, library);
  return wrap(merged);
}

}  // namespace tessera
