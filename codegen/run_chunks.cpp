#include "codegen/run_chunks.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace tessera {
namespace {

// The floating point mode of a thread: of its vector unit, by which kernels compute.
#if defined(__x86_64__)
using Mode = unsigned;
constexpr Mode kFlush = 0x8040;  // of results, and of operands
Mode mode() {
  return _mm_getcsr();
}
void set_mode(Mode mode) {
  _mm_setcsr(mode);
}
#else  // as they come
using Mode = unsigned;
constexpr Mode kFlush = 0;
Mode mode() {
  return 0;
}
void set_mode(Mode) {}
#endif

class FlushSubnormals {
 public:
  FlushSubnormals() : before_(mode()) { set_mode(before_ | kFlush); }
  ~FlushSubnormals() { set_mode(before_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  const Mode before_;
};

}  // namespace

void run_chunks(const Kernel& kernel, void* const* arguments, void* scratch, int64_t begin,
                int64_t end, int64_t* fault) {
  const FlushSubnormals flush;
  kernel.entry(arguments, scratch, begin, end, fault);
}

}  // namespace tessera
