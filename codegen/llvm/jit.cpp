#include "codegen/llvm/jit.h"

#include <llvm/ExecutionEngine/Orc/AbsoluteSymbols.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/MemoryBuffer.h>

#include <cmath>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "codegen/llvm/target.h"

#ifdef __x86_64__
// The compiler's own conversions of f16, by their names only: they take and give it in a register
// for which this compiler need not have a type.
extern "C" {
void __extendhfsf2();
void __truncsfhf2();
void __truncdfhf2();
}
#endif

namespace tessera {
namespace {

template <typename T>
T check(llvm::Expected<T> value, const char* what) {
  if (value) return std::move(*value);
  throw InternalError(std::string(what) + ": " + llvm::toString(value.takeError()));
}

void check(llvm::Error error, const char* what) {
  if (error) throw InternalError(std::string(what) + ": " + llvm::toString(std::move(error)));
}

using Unary = double (*)(double);
using Unary32 = float (*)(float);

// What compiled code may call.
void add_library(llvm::orc::LLJIT& jit, const std::map<std::string, void*>& functions) {
  llvm::orc::SymbolMap symbols;
  for (const auto& [name, function] : functions)
    symbols[jit.mangleAndIntern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(function),
        llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  const auto add = [&](const char* name, auto* function) {
    symbols[jit.mangleAndIntern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(function),
        llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  };
  add("exp", static_cast<Unary>(std::exp));
  add("log", static_cast<Unary>(std::log));
  add("tanh", static_cast<Unary>(std::tanh));
  add("erf", static_cast<Unary>(std::erf));
  add("sin", static_cast<Unary>(std::sin));
  add("cos", static_cast<Unary>(std::cos));
  add("sinf", static_cast<Unary32>(std::sin));
  add("cosf", static_cast<Unary32>(std::cos));
  // Where both are needed of one argument LLVM calls these.
  add("sincos", static_cast<void (*)(double, double*, double*)>(::sincos));
  add("sincosf", static_cast<void (*)(float, float*, float*)>(::sincosf));
  add("pow", static_cast<double (*)(double, double)>(std::pow));
  add("fmod", static_cast<double (*)(double, double)>(std::fmod));
  // Hosts without the instructions for these call them.
  add("fma", static_cast<double (*)(double, double, double)>(std::fma));
  add("fmaf", static_cast<float (*)(float, float, float)>(std::fma));
  add("floor", static_cast<Unary>(std::floor));
  add("floorf", static_cast<Unary32>(std::floor));
  add("ceil", static_cast<Unary>(std::ceil));
  add("ceilf", static_cast<Unary32>(std::ceil));
  add("trunc", static_cast<Unary>(std::trunc));
  add("rint", static_cast<Unary>(std::rint));
  add("rintf", static_cast<Unary32>(std::rint));
#ifdef __x86_64__
  add("__extendhfsf2", __extendhfsf2);
  add("__truncsfhf2", __truncsfhf2);
  add("__truncdfhf2", __truncdfhf2);
#endif
  add("memset", static_cast<void* (*)(void*, int, size_t)>(std::memset));
  add("memcpy", static_cast<void* (*)(void*, const void*, size_t)>(std::memcpy));
  add("memmove", static_cast<void* (*)(void*, const void*, size_t)>(std::memmove));
  check(jit.getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols))),
        "cannot define the library's functions");
}

}  // namespace

struct Jit::State {
  std::mutex mutex;
  std::map<std::string, void*> functions;
  std::unique_ptr<llvm::orc::LLJIT> jit;  // made when first needed
  int objects = 0;
};

Jit::Jit(std::map<std::string, void*> functions) : state_(std::make_unique<State>()) {
  state_->functions = std::move(functions);
}
Jit::~Jit() = default;

void* Jit::link(const std::string& object, const std::string& symbol) {
  const std::lock_guard lock(state_->mutex);
  if (state_->jit == nullptr) {
    initialize_llvm();
    llvm::orc::JITTargetMachineBuilder machine{llvm::Triple(code_target(CpuLevel::host).triple)};
    state_->jit =
        check(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(machine)).create(),
              "cannot start the just-in-time linker");
    add_library(*state_->jit, state_->functions);
  }
  llvm::orc::JITDylib& space = state_->jit->getExecutionSession().createBareJITDylib(
      "kernel" + std::to_string(state_->objects++));
  space.addToLinkOrder(state_->jit->getMainJITDylib());
  check(state_->jit->addObjectFile(space, llvm::MemoryBuffer::getMemBufferCopy(object, symbol)),
        "cannot add compiled code");
  return check(state_->jit->lookup(space, symbol), "cannot link compiled code").toPtr<void*>();
}

}  // namespace tessera
