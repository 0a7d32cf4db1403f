#include "codegen/llvm/gpu/gpu_threads.h"

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsNVPTX.h>
#include <llvm/IR/Module.h>

#include "base/error.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;
constexpr uint32_t kCopied = 16;     // bytes at once
constexpr unsigned kMostWords = 10;  // of one call: of multiply()

llvm::Intrinsic::ID matrix_product(const NarrowTypes& types) {
  if (types.a == DType::bf16) return llvm::Intrinsic::nvvm_mma_m16n8k16_row_col_bf16;
  if (types.a == DType::f16) return llvm::Intrinsic::nvvm_mma_m16n8k16_row_col_f32_f32;
  if (types.a == DType::i8)
    return types.b == DType::i8 ? llvm::Intrinsic::nvvm_mma_m16n8k32_row_col_s8
                                : llvm::Intrinsic::nvvm_mma_m16n8k32_row_col_s8_u8;
  return types.b == DType::u8 ? llvm::Intrinsic::nvvm_mma_m16n8k32_row_col_u8
                              : llvm::Intrinsic::nvvm_mma_m16n8k32_row_col_u8_s8;
}

}  // namespace

GpuThreads::GpuThreads(llvm::IRBuilderBase& builder, GpuMachine machine)
    : b_(builder), machine_(machine) {}

llvm::Value* GpuThreads::call(const char* name, llvm::Type* result,
                              const std::vector<llvm::Value*>& args) {
  std::vector<llvm::Type*> types;
  for (llvm::Value* arg : args) types.push_back(arg->getType());
  llvm::Module* module = b_.GetInsertBlock()->getModule();
  return b_.CreateCall(
      module->getOrInsertFunction(name, llvm::FunctionType::get(result, types, false)), args);
}

llvm::Value* GpuThreads::thread() {
  if (machine_ == GpuMachine::simulated) return call("tessera_gpu_thread", b_.getInt32Ty(), {});
  return b_.CreateIntrinsic(b_.getInt32Ty(), llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x, {});
}

llvm::Value* GpuThreads::block() {
  if (machine_ == GpuMachine::simulated) return call("tessera_gpu_block", b_.getInt32Ty(), {});
  return b_.CreateIntrinsic(b_.getInt32Ty(), llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x, {});
}

void GpuThreads::barrier() {
  if (machine_ == GpuMachine::simulated) {
    call("tessera_gpu_barrier", b_.getVoidTy(), {});
    return;
  }
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), false);
  auto* wait = llvm::InlineAsm::get(type, "bar.sync 0;", "~{memory}", /*hasSideEffects=*/true);
  b_.CreateCall(type, wait)->addFnAttr(llvm::Attribute::Convergent);
}

llvm::Value* GpuThreads::word_of_other(llvm::Value* word, int mask) {
  llvm::Value* other = b_.getInt32(static_cast<uint32_t>(mask));
  if (machine_ == GpuMachine::simulated)
    return call("tessera_gpu_exchange", b_.getInt32Ty(), {word, other});
  return b_.CreateIntrinsic(b_.getInt32Ty(), llvm::Intrinsic::nvvm_shfl_sync_bfly_i32,
                            {b_.getInt32(0xffffffff), word, other, b_.getInt32(0x1f)});
}

llvm::Value* GpuThreads::of_other(llvm::Value* value, int mask) {
  llvm::Type* type = value->getType();
  if (const int lanes = lanes_of(value); lanes != 0) {
    llvm::Value* result = llvm::PoisonValue::get(type);
    for (int i = 0; i < lanes; ++i) {
      const auto at = static_cast<uint64_t>(i);
      result =
          b_.CreateInsertElement(result, of_other(b_.CreateExtractElement(value, at), mask), at);
    }
    return result;
  }
  const unsigned bits = type->getScalarSizeInBits();
  llvm::Value* whole = b_.CreateBitCast(value, b_.getIntNTy(bits));
  llvm::Value* moved = nullptr;
  if (bits <= 32) {
    moved = word_of_other(b_.CreateZExt(whole, b_.getInt32Ty()), mask);
    moved = b_.CreateTrunc(moved, b_.getIntNTy(bits));
  } else {
    llvm::Value* low = word_of_other(b_.CreateTrunc(whole, b_.getInt32Ty()), mask);
    llvm::Value* high =
        word_of_other(b_.CreateTrunc(b_.CreateLShr(whole, 32), b_.getInt32Ty()), mask);
    moved = b_.CreateOr(b_.CreateZExt(low, b_.getInt64Ty()),
                        b_.CreateShl(b_.CreateZExt(high, b_.getInt64Ty()), 32));
  }
  return b_.CreateBitCast(moved, type);
}

llvm::Value* GpuThreads::words(unsigned count) {
  TESSERA_CHECK(count <= kMostWords) << count;
  if (words_ == nullptr)
    words_ = emit_variable(b_, llvm::ArrayType::get(b_.getInt32Ty(), kMostWords));
  return words_;
}

std::array<llvm::Value*, 4> GpuThreads::squares(llvm::Value* address, bool turned) {
  std::array<llvm::Value*, 4> result{};
  if (machine_ == GpuMachine::simulated) {
    llvm::Value* to = words(4);
    call("tessera_gpu_squares", b_.getVoidTy(), {address, b_.getInt32(turned ? 1 : 0), to});
    for (unsigned i = 0; i < 4; ++i)
      result[i] = b_.CreateLoad(b_.getInt32Ty(), b_.CreateConstGEP1_32(b_.getInt32Ty(), to, i));
    return result;
  }
  llvm::Type* pointer = b_.getPtrTy(kSharedSpace);
  llvm::Value* read =
      b_.CreateIntrinsic(turned ? llvm::Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x4_trans_b16
                                : llvm::Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x4_b16,
                         {pointer}, {b_.CreateAddrSpaceCast(address, pointer)});
  for (unsigned i = 0; i < 4; ++i) result[i] = b_.CreateExtractValue(read, i);
  return result;
}

GpuThreads::Words GpuThreads::multiply(const NarrowTypes& types, const Words& a,
                                       const std::array<llvm::Value*, 2>& b, const Words& c) {
  Words result{};
  std::vector<llvm::Value*> args(a.begin(), a.end());
  args.insert(args.end(), b.begin(), b.end());
  if (machine_ == GpuMachine::simulated) {
    llvm::Value* all = words(10);
    args.insert(args.end(), c.begin(), c.end());
    const auto place = [&](size_t i) {
      return b_.CreateConstGEP1_32(b_.getInt32Ty(), all, static_cast<unsigned>(i));
    };
    for (size_t i = 0; i < args.size(); ++i) b_.CreateStore(args[i], place(i));
    call("tessera_gpu_multiply", b_.getVoidTy(),
         {b_.getInt32(static_cast<uint32_t>(types.a)), b_.getInt32(static_cast<uint32_t>(types.b)),
          all});
    for (size_t i = 0; i < 4; ++i) result[i] = b_.CreateLoad(c[i]->getType(), place(6 + i));
    return result;
  }
  if (types.a == DType::f16)
    for (llvm::Value*& arg : args)
      arg = b_.CreateBitCast(arg, llvm::FixedVectorType::get(b_.getHalfTy(), 2));
  args.insert(args.end(), c.begin(), c.end());
  llvm::Value* sums = b_.CreateIntrinsic(matrix_product(types), {}, args);
  for (unsigned i = 0; i < 4; ++i) result[i] = b_.CreateExtractValue(sums, i);
  return result;
}

void GpuThreads::copy(llvm::Value* to, llvm::Value* from, llvm::Value* exists) {
  llvm::Value* bytes = b_.getInt32(kCopied);
  if (exists != nullptr) bytes = b_.CreateSelect(exists, bytes, b_.getInt32(0));
  if (machine_ == GpuMachine::simulated) {
    call("tessera_gpu_copy", b_.getVoidTy(), {to, from, bytes});
    return;
  }
  b_.CreateIntrinsic(b_.getVoidTy(), llvm::Intrinsic::nvvm_cp_async_cg_shared_global_16_s,
                     {b_.CreateAddrSpaceCast(to, b_.getPtrTy(kSharedSpace)),
                      b_.CreateAddrSpaceCast(from, b_.getPtrTy(kGlobalSpace)), bytes});
}

void GpuThreads::close_copies() {
  if (machine_ == GpuMachine::simulated)
    call("tessera_gpu_close_copies", b_.getVoidTy(), {});
  else
    b_.CreateIntrinsic(b_.getVoidTy(), llvm::Intrinsic::nvvm_cp_async_commit_group, {});
}

void GpuThreads::wait_for_copies(int pending) {
  llvm::Value* count = b_.getInt32(static_cast<uint32_t>(pending));
  if (machine_ == GpuMachine::simulated)
    call("tessera_gpu_wait_for_copies", b_.getVoidTy(), {count});
  else
    b_.CreateIntrinsic(b_.getVoidTy(), llvm::Intrinsic::nvvm_cp_async_wait_group, {count});
}

llvm::Value* GpuThreads::shared(size_t bytes, const std::string& name) {
  if (machine_ == GpuMachine::simulated)
    return call("tessera_gpu_shared", b_.getPtrTy(), {b_.getInt64(bytes)});
  llvm::Type* type = llvm::ArrayType::get(b_.getInt8Ty(), bytes);
  auto* memory = new llvm::GlobalVariable(
      *b_.GetInsertBlock()->getModule(), type, false, llvm::GlobalValue::InternalLinkage,
      llvm::UndefValue::get(type), name, nullptr, llvm::GlobalValue::NotThreadLocal, kSharedSpace);
  memory->setAlignment(llvm::Align(128));
  return b_.CreateAddrSpaceCast(memory, b_.getPtrTy());
}

llvm::Function* declare_gpu_kernel(llvm::Module& module, const std::string& symbol, int arguments,
                                   int threads, GpuMachine machine) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::get(context, 0);
  const std::vector<llvm::Type*> types(static_cast<size_t>(arguments) + 1, pointer);
  llvm::Type* nothing = llvm::Type::getVoidTy(context);
  const bool ptx = machine == GpuMachine::ptx;
  llvm::Function* kernel = llvm::Function::Create(
      llvm::FunctionType::get(nothing, types, false),
      ptx ? llvm::Function::ExternalLinkage : llvm::Function::InternalLinkage,
      ptx ? symbol : symbol + "_thread", module);
  kernel->addFnAttr(llvm::Attribute::NoUnwind);
  if (ptx) {
    kernel->setCallingConv(llvm::CallingConv::PTX_Kernel);
    kernel->addFnAttr("nvvm.maxntid", std::to_string(threads));
    return kernel;
  }
  llvm::Function* entry = llvm::Function::Create(llvm::FunctionType::get(nothing, {pointer}, false),
                                                 llvm::Function::ExternalLinkage, symbol, module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "entry", entry));
  std::vector<llvm::Value*> args;
  for (size_t i = 0; i < types.size(); ++i)
    args.push_back(b.CreateLoad(pointer, b.CreateConstGEP1_64(pointer, entry->getArg(0), i)));
  b.CreateCall(kernel, args);
  b.CreateRetVoid();
  return kernel;
}

}  // namespace tessera
