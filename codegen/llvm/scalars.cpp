#include "codegen/llvm/scalars.h"

#include <llvm/IR/Intrinsics.h>

#include "base/error.h"
#include "codegen/llvm/f32_emitter.h"
#include "codegen/llvm/float_division.h"
#include "codegen/llvm/random_bits.h"

namespace tessera {
namespace {

using Values = std::vector<llvm::Value*>;

// Gives what the builder makes these fast-math flags for the rest of the scope.
class FlagScope {
 public:
  FlagScope(llvm::IRBuilderBase& builder, bool reassociate)
      : builder_(builder), before_(builder.getFastMathFlags()) {
    llvm::FastMathFlags flags;
    flags.setAllowContract(true);
    flags.setAllowReassoc(reassociate);
    builder_.setFastMathFlags(flags);
  }
  ~FlagScope() { builder_.setFastMathFlags(before_); }
  FlagScope(const FlagScope&) = delete;
  FlagScope& operator=(const FlagScope&) = delete;

 private:
  llvm::IRBuilderBase& builder_;
  llvm::FastMathFlags before_;
};

llvm::Value* float_extreme(llvm::IRBuilderBase& b, bool greatest, llvm::Value* x, llvm::Value* y) {
  // min and max of x86 return the second operand when either is NaN; a NaN x is put back.
  llvm::Value* first = greatest ? b.CreateFCmpOGT(x, y) : b.CreateFCmpOLT(x, y);
  return b.CreateSelect(b.CreateFCmpUNO(x, x), x, b.CreateSelect(first, x, y));
}

llvm::Value* emit_float(llvm::IRBuilderBase& b, Fn fn, const Values& args) {
  llvm::Value* x = args[0];
  llvm::Value* y = args.size() > 1 ? args[1] : nullptr;
  if (has_expansion(fn)) {
    if (x->getType()->getScalarType()->isFloatTy()) {
      F32Emitter emitter(b, lanes_of(x));
      std::vector<Emitter::Value> wrapped;
      for (llvm::Value* arg : args) wrapped.push_back(F32Emitter::wrap(arg));
      return F32Emitter::unwrap(emit_f32(fn, emitter, wrapped));
    }
    if (fn != Fn::sigmoid) return call_library(b, fn, args);
    llvm::Value* one = llvm::ConstantFP::get(x->getType(), 1.0);
    return b.CreateFDiv(one, b.CreateFAdd(one, call_library(b, Fn::exp, {b.CreateFNeg(x)})));
  }
  switch (fn) {
    case Fn::neg:
      return b.CreateFNeg(x);
    case Fn::abs:
      return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
    case Fn::sqrt:
      return b.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x);
    case Fn::floor:
      return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, x);
    case Fn::ceil:
      return b.CreateUnaryIntrinsic(llvm::Intrinsic::ceil, x);
    case Fn::round:
      return b.CreateUnaryIntrinsic(llvm::Intrinsic::rint, x);
    case Fn::add: {
      FlagScope flags(b, false);
      return b.CreateFAdd(x, y);
    }
    case Fn::sub: {
      FlagScope flags(b, false);
      return b.CreateFSub(x, y);
    }
    case Fn::mul: {
      FlagScope flags(b, false);
      return b.CreateFMul(x, y);
    }
    case Fn::div:
      return emit_division(b, x, y);
    case Fn::floordiv:
    case Fn::mod:
      return emit_float_division(b, fn, x, y);
    case Fn::min:
    case Fn::max:
      return float_extreme(b, fn == Fn::max, x, y);
    default:
      break;
  }
  TESSERA_CHECK(false) << "no code for " << info(fn).name << " of floats";
  return nullptr;
}

llvm::Value* int_extreme(llvm::IRBuilderBase& b, DType type, bool greatest, llvm::Value* x,
                         llvm::Value* y) {
  using namespace llvm::Intrinsic;
  const auto which = type == DType::u8 ? (greatest ? umax : umin) : (greatest ? smax : smin);
  return b.CreateBinaryIntrinsic(which, x, y);
}

// Divisors 2^k: the floored quotient is a shift, the remainder a mask.
llvm::Value* divided_by_power(llvm::IRBuilderBase& b, Fn fn, llvm::Value* x, llvm::Value* y) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(y);
  if (constant == nullptr) return nullptr;
  if (lanes_of(y) != 0) constant = constant->getSplatValue();
  const auto* divisor = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant);
  if (divisor == nullptr || divisor->isNegative() || !divisor->getValue().isPowerOf2())
    return nullptr;
  if (fn == Fn::floordiv) return b.CreateAShr(x, divisor->getValue().logBase2());
  return b.CreateAnd(x, llvm::ConstantInt::get(x->getType(), divisor->getValue() - 1));
}

// Floored division and remainder; 0 for a zero divisor, and nothing that traps.
llvm::Value* int_floordiv(llvm::IRBuilderBase& b, Fn fn, llvm::Value* x, llvm::Value* y) {
  if (llvm::Value* simple = divided_by_power(b, fn, x, y)) return simple;
  llvm::Type* type = x->getType();
  llvm::Value* zero = llvm::Constant::getNullValue(type);
  llvm::Value* one = llvm::ConstantInt::get(type, 1);
  llvm::Value* minus_one = llvm::Constant::getAllOnesValue(type);
  llvm::Value* by_zero = b.CreateICmpEQ(y, zero);
  llvm::Value* by_minus_one = b.CreateICmpEQ(y, minus_one);
  llvm::Value* divisor = b.CreateFreeze(b.CreateSelect(b.CreateOr(by_zero, by_minus_one), one, y));
  llvm::Value* quotient = b.CreateSDiv(x, divisor);
  llvm::Value* rest = b.CreateSub(x, b.CreateMul(quotient, divisor));
  llvm::Value* adjust =
      b.CreateAnd(b.CreateICmpNE(rest, zero), b.CreateICmpSLT(b.CreateXor(rest, divisor), zero));
  if (fn == Fn::mod) {
    llvm::Value* floored = b.CreateSelect(adjust, b.CreateAdd(rest, divisor), rest);
    return b.CreateSelect(b.CreateOr(by_zero, by_minus_one), zero, floored);
  }
  llvm::Value* floored = b.CreateSelect(adjust, b.CreateSub(quotient, one), quotient);
  return b.CreateSelect(by_zero, zero, b.CreateSelect(by_minus_one, b.CreateNeg(x), floored));
}

// The same for u8.
llvm::Value* unsigned_floordiv(llvm::IRBuilderBase& b, Fn fn, llvm::Value* x, llvm::Value* y) {
  llvm::Value* zero = llvm::Constant::getNullValue(x->getType());
  llvm::Value* by_zero = b.CreateICmpEQ(y, zero);
  llvm::Value* divisor =
      b.CreateFreeze(b.CreateSelect(by_zero, llvm::ConstantInt::get(x->getType(), 1), y));
  llvm::Value* result = fn == Fn::mod ? b.CreateURem(x, divisor) : b.CreateUDiv(x, divisor);
  return b.CreateSelect(by_zero, zero, result);
}

llvm::Value* emit_int(llvm::IRBuilderBase& b, Fn fn, DType kind, const Values& args) {
  llvm::Value* x = args[0];
  llvm::Value* y = args.size() > 1 ? args[1] : nullptr;
  const bool is_unsigned = kind == DType::u8;
  switch (fn) {
    case Fn::neg:
      return b.CreateNeg(x);
    case Fn::abs:
      return is_unsigned ? x : b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, b.getFalse());
    case Fn::add:
      return b.CreateAdd(x, y);
    case Fn::sub:
      return b.CreateSub(x, y);
    case Fn::mul:
      return b.CreateMul(x, y);
    case Fn::floordiv:
    case Fn::mod:
      return is_unsigned ? unsigned_floordiv(b, fn, x, y) : int_floordiv(b, fn, x, y);
    case Fn::min:
    case Fn::max:
      return int_extreme(b, kind, fn == Fn::max, x, y);
    default:
      break;
  }
  TESSERA_CHECK(false) << "no code for " << info(fn).name << " of integers";
  return nullptr;
}

llvm::Value* emit_compare(llvm::IRBuilderBase& b, Fn fn, DType from, llvm::Value* x,
                          llvm::Value* y) {
  using P = llvm::CmpInst::Predicate;
  const bool real = is_float(from);
  const bool natural = from == DType::b8 || from == DType::u8;
  switch (fn) {
    case Fn::eq:
      return b.CreateCmp(real ? P::FCMP_OEQ : P::ICMP_EQ, x, y);
    case Fn::ne:
      return b.CreateCmp(real ? P::FCMP_UNE : P::ICMP_NE, x, y);
    case Fn::lt:
      return b.CreateCmp(real ? P::FCMP_OLT : natural ? P::ICMP_ULT : P::ICMP_SLT, x, y);
    case Fn::le:
      return b.CreateCmp(real ? P::FCMP_OLE : natural ? P::ICMP_ULE : P::ICMP_SLE, x, y);
    case Fn::gt:
      return b.CreateCmp(real ? P::FCMP_OGT : natural ? P::ICMP_UGT : P::ICMP_SGT, x, y);
    case Fn::ge:
      return b.CreateCmp(real ? P::FCMP_OGE : natural ? P::ICMP_UGE : P::ICMP_SGE, x, y);
    default:
      break;
  }
  TESSERA_CHECK(false) << info(fn).name << " is no comparison";
  return nullptr;
}

// A bf16 or f16 as a conversion or comparison sees it (see settled() in ir/scalar.h).
llvm::Value* settle(llvm::IRBuilderBase& b, DType type, llvm::Value* x) {
  if (!is_half(type) || bits_behind(b, type, x) != nullptr) return x;
  return from_memory(b, type, to_memory(b, type, x));
}

// f64_to_odd_f32 of base/convert.h.
llvm::Value* narrow_to_odd(llvm::IRBuilderBase& b, llvm::Value* x) {
  llvm::Type* i32 = shaped(b.getInt32Ty(), lanes_of(x));
  llvm::Value* near = b.CreateFPTrunc(x, shaped(b.getFloatTy(), lanes_of(x)));
  llvm::Value* back = b.CreateFPExt(near, x->getType());
  const auto size = [&](llvm::Value* v) {
    return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v);
  };
  llvm::Value* beyond = b.CreateZExt(b.CreateFCmpOGT(size(back), size(x)), i32);
  llvm::Value* towards_zero = b.CreateSub(b.CreateBitCast(near, i32), beyond);
  llvm::Value* odd = b.CreateOr(towards_zero, llvm::ConstantInt::get(i32, 1));
  llvm::Value* inexact = b.CreateFCmpONE(back, x);
  return b.CreateSelect(inexact, b.CreateBitCast(odd, near->getType()), near);
}

llvm::Value* int_to_float(llvm::IRBuilderBase& b, DType from, llvm::Value* x, llvm::Type* target) {
  const bool natural = from == DType::b8 || from == DType::u8;
  return natural ? b.CreateUIToFP(x, target) : b.CreateSIToFP(x, target);
}

llvm::Value* cast_to_half(llvm::IRBuilderBase& b, DType from, DType to, llvm::Value* x) {
  const int lanes = lanes_of(x);
  if (size_of(from) == 1) return int_to_float(b, from, x, shaped(b.getFloatTy(), lanes));  // exact
  if (is_integer(from)) x = int_to_float(b, from, x, shaped(b.getDoubleTy(), lanes));
  if (is_integer(from) || from == DType::f64) x = narrow_to_odd(b, x);
  return from_memory(b, to, to_memory(b, to, x));
}

llvm::Value* emit_cast(llvm::IRBuilderBase& b, ApplyTypes types, llvm::Value* x) {
  const DType from = types.from;
  const DType to = types.to;
  if (from == to) return x;
  x = settle(b, from, x);
  if (is_half(to)) return cast_to_half(b, from, to, x);
  llvm::Type* target = shaped(register_type(b.getContext(), to), lanes_of(x));
  llvm::Value* zero = llvm::Constant::getNullValue(x->getType());
  if (to == DType::b8) return is_float(from) ? b.CreateFCmpUNE(x, zero) : b.CreateICmpNE(x, zero);
  if (is_float(from) && is_float(to)) return b.CreateFPCast(x, target);
  if (is_float(to)) return int_to_float(b, from, x, target);
  if (is_float(from))  // saturates; NaN becomes 0
    return b.CreateIntrinsic(
        to == DType::u8 ? llvm::Intrinsic::fptoui_sat : llvm::Intrinsic::fptosi_sat,
        {target, x->getType()}, {x});
  const bool natural = from == DType::b8 || from == DType::u8;
  return natural ? b.CreateZExtOrTrunc(x, target) : b.CreateSExtOrTrunc(x, target);
}

}  // namespace

llvm::Value* emit_division(llvm::IRBuilderBase& b, llvm::Value* x, llvm::Value* y) {
  if (!llvm::isa<llvm::Constant>(y))
    y = b.CreateIntrinsic(llvm::Intrinsic::arithmetic_fence, {y->getType()}, {y});
  return b.CreateFDiv(x, y);
}

llvm::Type* shaped(llvm::Type* type, int lanes) {
  return lanes == 0 ? type : llvm::FixedVectorType::get(type, static_cast<unsigned>(lanes));
}

int lanes_of(const llvm::Type* type) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector == nullptr ? 0 : static_cast<int>(vector->getNumElements());
}

int lanes_of(const llvm::Value* value) {
  return lanes_of(value->getType());
}

llvm::Value* splat(llvm::IRBuilderBase& b, llvm::Value* value, int lanes) {
  if (lanes == 0 || lanes_of(value) == lanes) return value;
  return b.CreateVectorSplat(static_cast<unsigned>(lanes), value);
}

llvm::Constant* constant_of(llvm::LLVMContext& context, const Scalar& value, int lanes) {
  llvm::Type* type = shaped(register_type(context, value.type), lanes);
  if (is_float(value.type)) return llvm::ConstantFP::get(type, value.f);
  if (value.type == DType::b8) return llvm::ConstantInt::get(type, value.i != 0 ? 1 : 0);
  if (value.type == DType::u8) return llvm::ConstantInt::get(type, static_cast<uint64_t>(value.i));
  return llvm::ConstantInt::getSigned(type, value.i);
}

llvm::Value* emit_apply(llvm::IRBuilderBase& b, Fn fn, ApplyTypes types, const Values& args) {
  switch (info(fn).rule) {
    case TypeRule::conversion:
      return emit_cast(b, types, args[0]);
    case TypeRule::select:
      return b.CreateSelect(args[0], args[1], args[2]);
    case TypeRule::logical:
      if (fn == Fn::logical_not) return b.CreateNot(args[0]);
      return fn == Fn::logical_and ? b.CreateAnd(args[0], args[1]) : b.CreateOr(args[0], args[1]);
    case TypeRule::comparison:
      return emit_compare(b, fn, types.from, settle(b, types.from, args[0]),
                          settle(b, types.from, args[1]));
    case TypeRule::counter:
      return emit_random_bits(b, args[0], args[1]);
    case TypeRule::number:
    case TypeRule::floating:
      break;
  }
  return is_float(types.to) ? emit_float(b, fn, args) : emit_int(b, fn, types.to, args);
}

llvm::Value* emit_combine(llvm::IRBuilderBase& b, ReduceOp op, DType type, llvm::Value* x,
                          llvm::Value* y) {
  FlagScope flags(b, true);
  const bool real = is_float(type);
  switch (op) {
    case ReduceOp::sum:
      return real ? b.CreateFAdd(x, y) : b.CreateAdd(x, y);
    case ReduceOp::prod:
      return real ? b.CreateFMul(x, y) : b.CreateMul(x, y);
    case ReduceOp::any:
      return b.CreateOr(x, y);
    case ReduceOp::all:
      return b.CreateAnd(x, y);
    case ReduceOp::max:
    case ReduceOp::min:
      break;
  }
  const bool greatest = op == ReduceOp::max;
  if (real) {
    b.setFastMathFlags({});
    return float_extreme(b, greatest, y, x);
  }
  return int_extreme(b, type, greatest, x, y);
}

llvm::Value* emit_fold(llvm::IRBuilderBase& b, ReduceOp op, DType type, llvm::Value* vector) {
  for (int lanes = lanes_of(vector); lanes > 1; lanes /= 2) {
    std::vector<int> low, high;
    for (int i = 0; i < lanes / 2; ++i) {
      low.push_back(i);
      high.push_back(i + lanes / 2);
    }
    vector = emit_combine(b, op, type, b.CreateShuffleVector(vector, low),
                          b.CreateShuffleVector(vector, high));
  }
  return lanes_of(vector) == 1 ? b.CreateExtractElement(vector, uint64_t{0}) : vector;
}

}  // namespace tessera
