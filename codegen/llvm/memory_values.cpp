#include <llvm/IR/Constants.h>
#include <llvm/IR/Instructions.h>

#include "base/convert.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

llvm::Value* bits_of(llvm::IRBuilderBase& b, llvm::Value* f32) {
  return b.CreateBitCast(f32, shaped(b.getInt32Ty(), lanes_of(f32)));
}

// As base/convert.h does; the host's own instruction would lose subnormal numbers.
llvm::Value* to_bf16(llvm::IRBuilderBase& b, llvm::Value* f32) {
  llvm::Value* bits = bits_of(b, f32);
  const auto number = [&](uint64_t value) {
    return llvm::ConstantInt::get(bits->getType(), value);
  };
  llvm::Value* even = b.CreateAnd(b.CreateLShr(bits, 16), number(1));
  llvm::Value* rounded = b.CreateAdd(b.CreateAdd(bits, number(0x7fff)), even);
  llvm::Value* quiet = b.CreateOr(bits, number(0x400000));
  llvm::Value* chosen = b.CreateSelect(b.CreateFCmpUNO(f32, f32), quiet, rounded);
  return b.CreateTrunc(b.CreateLShr(chosen, 16), shaped(b.getInt16Ty(), lanes_of(f32)));
}

}  // namespace

llvm::Type* register_type(llvm::LLVMContext& context, DType type) {
  switch (type) {
    case DType::f32:
    case DType::bf16:
    case DType::f16:
      return llvm::Type::getFloatTy(context);
    case DType::f64:
      return llvm::Type::getDoubleTy(context);
    case DType::i32:
      return llvm::Type::getInt32Ty(context);
    case DType::i64:
      return llvm::Type::getInt64Ty(context);
    case DType::i8:
    case DType::u8:
      return llvm::Type::getInt8Ty(context);
    case DType::b8:
      return llvm::Type::getInt1Ty(context);
  }
  return nullptr;
}

llvm::Type* memory_type(llvm::LLVMContext& context, DType type) {
  if (is_half(type)) return llvm::Type::getInt16Ty(context);
  return type == DType::b8 ? llvm::Type::getInt8Ty(context) : register_type(context, type);
}

llvm::Value* from_memory(llvm::IRBuilderBase& b, DType type, llvm::Value* stored) {
  const int lanes = lanes_of(stored);
  switch (type) {
    case DType::b8:
      return b.CreateICmpNE(stored, llvm::Constant::getNullValue(stored->getType()));
    case DType::bf16: {
      llvm::Value* wide = b.CreateZExt(stored, shaped(b.getInt32Ty(), lanes));
      return b.CreateBitCast(b.CreateShl(wide, 16), shaped(b.getFloatTy(), lanes));
    }
    case DType::f16:
      return b.CreateFPExt(b.CreateBitCast(stored, shaped(b.getHalfTy(), lanes)),
                           shaped(b.getFloatTy(), lanes));
    default:
      return stored;
  }
}

llvm::Value* bits_behind(llvm::IRBuilderBase& b, DType type, llvm::Value* value) {
  if (const auto* wider = llvm::dyn_cast<llvm::FPExtInst>(value)) {
    llvm::Value* half = wider->getOperand(0);
    if (type != DType::f16 || !half->getType()->getScalarType()->isHalfTy()) return nullptr;
    return b.CreateBitCast(half, shaped(b.getInt16Ty(), lanes_of(value)));
  }
  const auto* cast = llvm::dyn_cast<llvm::BitCastInst>(value);
  const auto* shift = cast ? llvm::dyn_cast<llvm::BinaryOperator>(cast->getOperand(0)) : nullptr;
  if (shift == nullptr || shift->getOpcode() != llvm::Instruction::Shl) return nullptr;
  const auto* wider = llvm::dyn_cast<llvm::ZExtInst>(shift->getOperand(0));
  const bool is_bf16 = wider != nullptr && type == DType::bf16 &&
                       wider->getOperand(0)->getType()->getScalarType()->isIntegerTy(16);
  return is_bf16 ? wider->getOperand(0) : nullptr;
}

llvm::Value* to_memory(llvm::IRBuilderBase& b, DType type, llvm::Value* value) {
  if (is_half(type))
    if (llvm::Value* bits = bits_behind(b, type, value)) return bits;
  const int lanes = lanes_of(value);
  switch (type) {
    case DType::b8:
      return b.CreateZExt(value, shaped(b.getInt8Ty(), lanes));
    case DType::bf16:
      return to_bf16(b, value);
    case DType::f16:
      return b.CreateBitCast(b.CreateFPTrunc(value, shaped(b.getHalfTy(), lanes)),
                             shaped(b.getInt16Ty(), lanes));
    default:
      return value;
  }
}

llvm::Constant* memory_constant(llvm::LLVMContext& context, const Scalar& value, int lanes) {
  if (!is_half(value.type) && value.type != DType::b8) return constant_of(context, value, lanes);
  llvm::Type* type = shaped(memory_type(context, value.type), lanes);
  if (value.type == DType::b8) return llvm::ConstantInt::get(type, value.i != 0 ? 1 : 0);
  return llvm::ConstantInt::get(
      type, value.type == DType::bf16 ? f64_to_bf16(value.f) : f64_to_f16(value.f));
}

}  // namespace tessera
