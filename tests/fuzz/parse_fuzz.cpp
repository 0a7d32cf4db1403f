#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "ir/parse.h"
#include "ir/print.h"

// Formulas may nest 1,000 deep, and sanitized frames of the parser are large. The stack of the main
// thread grows up to the limit that holds when it does.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  rlimit stack{};
  getrlimit(RLIMIT_STACK, &stack);
  stack.rlim_cur = std::min<rlim_t>(stack.rlim_max, rlim_t{128} << 20);
  setrlimit(RLIMIT_STACK, &stack);
  return 0;
}

// Any text is either a program, which then survives printing and reading, or a UserError.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string printed;
  try {
    const Program program = parse(text);
    printed = print(program);
    const Program back = parse(printed);
    if (!(back == program) || print(back) != printed) {
      std::fprintf(stderr, "not stable:\n%s\nthen\n%s\n", printed.c_str(), print(back).c_str());
      std::abort();
    }
  } catch (const UserError& error) {
    if (!printed.empty()) {
      std::fprintf(stderr, "cannot read back: %s\n%s\n", error.what(), printed.c_str());
      std::abort();
    }
  }
  return 0;
}
