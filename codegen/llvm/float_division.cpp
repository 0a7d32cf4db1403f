#include "codegen/llvm/float_division.h"

#include <llvm/IR/Intrinsics.h>

#include <limits>

#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

llvm::Constant* real(llvm::Value* like, double value) {
  return llvm::ConstantFP::get(like->getType(), value);
}

llvm::Value* magnitude(llvm::IRBuilderBase& b, llvm::Value* x) {
  return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
}

llvm::Value* with_sign_of(llvm::IRBuilderBase& b, llvm::Value* size, llvm::Value* sign) {
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, size, sign);
}

// Is the value not zero, and on the other side of zero than `side`?
llvm::Value* opposes(llvm::IRBuilderBase& b, llvm::Value* value, llvm::Value* side) {
  llvm::Value* zero = real(value, 0);
  llvm::Value* differs = b.CreateXor(b.CreateFCmpOLT(value, zero), b.CreateFCmpOLT(side, zero));
  return b.CreateAnd(b.CreateFCmpONE(value, zero), differs);
}

// fmod(x, y) of doubles. A rounded quotient is never below a whole number that the true one
// reaches, so that its whole part is right or one too large, and the fused x - q * y is exact.
llvm::Value* truncated_rest(llvm::IRBuilderBase& b, llvm::Value* x, llvm::Value* y) {
  llvm::Value* quotient = b.CreateUnaryIntrinsic(llvm::Intrinsic::trunc, emit_division(b, x, y));
  llvm::Value* rest =
      b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {b.CreateFNeg(quotient), y, x});
  llvm::Value* back = b.CreateFAdd(rest, with_sign_of(b, y, x));
  rest = b.CreateSelect(opposes(b, rest, x), back, rest);
  llvm::Value* small = b.CreateFCmpOLT(magnitude(b, quotient), real(x, 0x1p51));
  llvm::Value* finite =
      b.CreateFCmpOLT(magnitude(b, y), real(x, std::numeric_limits<double>::infinity()));
  llvm::Value* easy = b.CreateAnd(small, finite);
  if (lanes_of(easy) != 0) easy = b.CreateAndReduce(easy);
  llvm::AllocaInst* result = emit_variable(b, x->getType());
  b.CreateStore(rest, result);
  emit_if(b, b.CreateNot(easy), [&] { b.CreateStore(b.CreateFRem(x, y), result); });
  return b.CreateLoad(x->getType(), result);
}

llvm::Value* floored_rest(llvm::IRBuilderBase& b, llvm::Value* rest, llvm::Value* y) {
  llvm::Value* moved = b.CreateSelect(opposes(b, rest, y), b.CreateFAdd(rest, y), rest);
  llvm::Value* is_zero = b.CreateFCmpOEQ(rest, real(rest, 0));
  return b.CreateSelect(is_zero, with_sign_of(b, real(y, 0), y), moved);
}

llvm::Value* floored_quotient(llvm::IRBuilderBase& b, llvm::Value* rest, llvm::Value* x,
                              llvm::Value* y) {
  llvm::Value* whole =
      b.CreateUnaryIntrinsic(llvm::Intrinsic::rint, emit_division(b, b.CreateFSub(x, rest), y));
  llvm::Value* below = b.CreateFSub(whole, real(whole, 1));
  whole = b.CreateSelect(opposes(b, rest, y), below, whole);
  llvm::Value* infinite = b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, emit_division(b, x, y));
  return b.CreateSelect(b.CreateFCmpUNO(rest, rest), infinite, whole);
}

}  // namespace

llvm::Value* emit_float_division(llvm::IRBuilderBase& b, Fn fn, llvm::Value* x, llvm::Value* y) {
  llvm::Type* type = x->getType();
  if (type->getScalarType()->isFloatTy()) {
    llvm::Type* wide = shaped(b.getDoubleTy(), lanes_of(type));
    x = b.CreateFPExt(x, wide);
    y = b.CreateFPExt(y, wide);
  }
  llvm::Value* rest = truncated_rest(b, x, y);
  llvm::Value* result = fn == Fn::mod ? floored_rest(b, rest, y) : floored_quotient(b, rest, x, y);
  return b.CreateFPCast(result, type);
}

}  // namespace tessera
