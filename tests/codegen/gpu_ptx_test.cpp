// PTX of kernels for GPUs, as text: nothing here needs a GPU or NVIDIA's assembler.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "base/error.h"
#include "codegen/llvm/gpu/ptx.h"
#include "tests/codegen/run_on_gpu.h"

namespace tessera {
namespace {

std::string ptx_of(const std::string& text, const std::string& arch = "sm_90") {
  std::string all;
  for (const KernelGroup& group : gpu_groups_of(text))
    all += build_gpu_kernel(group, GpuMachine::ptx, gpu_of_arch(arch)).code;
  return all;
}

// The kinds of loads and stores of global memory in it: "ld.global.v4.b32".
std::set<std::string> accesses_of(const std::string& ptx) {
  static const std::regex access(R"((ld|st)\.global[.a-z0-9]*)");
  std::set<std::string> found;
  for (std::sregex_iterator at(ptx.begin(), ptx.end(), access), end; at != end; ++at)
    found.insert(at->str());
  return found;
}

using Kinds = std::set<std::string>;
const Kinds kWide = {"ld.global.v4.b32", "st.global.v4.b32"};

TEST(GpuPtx, MemoryBoundKernelsMoveSixteenBytesAtOnce) {
  EXPECT_EQ(accesses_of(ptx_of("dim n = 4194304\ninput x[n]\ny = x * tanh(x)\noutput y")), kWide);
  EXPECT_EQ(accesses_of(ptx_of("dim row = 4096, col = 1024\ninput x[row, col]\ninput y[row, col]\n"
                               "z = max(x + y, 0.0)\noutput z")),
            kWide);
  EXPECT_EQ(accesses_of(ptx_of("dim row = 4096, col = 1024\ninput x[row, col]\nm = max[col](x)\n"
                               "e = exp(x - m)\np = e / sum[col](e)\noutput p")),
            kWide);
  EXPECT_EQ(accesses_of(ptx_of("dim n = 4194304\ninput x[n] : bf16\ny = x * x\noutput y")), kWide);
  EXPECT_EQ(accesses_of(ptx_of("dim n = 4194304\ninput x[n] : u8\ny = f32(x) / 255.0\noutput y")),
            (Kinds{"ld.global.v2.b32", "st.global.v4.b32"}));
}

// Of addresses that grow with the thread's number, one thread's 16 bytes follow the other's.
TEST(GpuPtx, NeighbouringThreadsTakeNeighbouringVectors) {
  const std::string ptx = ptx_of("dim n = 4194304\ninput x[n]\ny = -x\noutput y");
  EXPECT_NE(ptx.find("mov.u32 \t%r1, %tid.x"), std::string::npos) << ptx;
  EXPECT_NE(ptx.find("shl.b32 \t%r3, %r1, 2"), std::string::npos) << ptx;  // 4 elements a thread
}

TEST(GpuPtx, OddRowsAreReadElementByElement) {
  EXPECT_EQ(accesses_of(ptx_of("dim row = 4096, col = 1023\ninput x[row, col]\n"
                               "y = x[col: col + 1 pad 0]\noutput y")),
            (Kinds{"ld.global.b32", "st.global.b32"}));
}

TEST(GpuPtx, ProductsKeepTheirTilesInSharedMemory) {
  const std::string ptx = ptx_of(
      "dim m = 1024, n = 1024, k = 512\ninput a[m, k]\ninput b[k, n]\nc = sum[k](a * b)\noutput c");
  EXPECT_EQ(accesses_of(ptx), kWide);
  EXPECT_NE(ptx.find("ld.shared.v4.b32"), std::string::npos);
  EXPECT_NE(ptx.find("bar.sync 0;"), std::string::npos);
  EXPECT_EQ(ptx.find(".local"), std::string::npos);  // sums stay in registers
}

// The loop over k of a product of bf16: units for matrices, fed from shared memory.
TEST(GpuPtx, NarrowProductsAreOfMatrices) {
  const std::string dims = "dim m = 2048, n = 2048, k = 512\n";
  const std::string ptx = ptx_of(dims +
                                 "input a[m, k] : bf16\ninput b[k, n] : bf16\n"
                                 "c = sum[k](a * b)\noutput c");
  const auto count = [&](const std::string& what) {
    int found = 0;
    for (size_t at = ptx.find(what); at != std::string::npos; at = ptx.find(what, at + 1)) ++found;
    return found;
  };
  // 64 x 64 a warp, 32 of k: 4 x 8 products twice; a in lines, b turned, 4 of each twice.
  EXPECT_EQ(count("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"), 64) << ptx;
  EXPECT_EQ(count("ldmatrix.sync.aligned.m8n8.x4.shared.b16"), 8);
  EXPECT_EQ(count("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"), 8);
  EXPECT_EQ(count("fma."), 0);
  // 64 bytes of 256 lines for 128 threads, past their registers: two steps in front of the loop,
  // and one in it.
  EXPECT_EQ(count("cp.async.cg.shared.global"), 3 * 8);
  EXPECT_EQ(count("cp.async.commit_group"), 3);
  EXPECT_EQ(count("st.shared"), 0);
  EXPECT_NE(ptx.find("cp.async.wait_group"), std::string::npos);
  EXPECT_EQ(accesses_of(ptx).count("ld.global.v4.b32"), 0u);
  EXPECT_EQ(ptx.find(".local"), std::string::npos);  // sums stay in registers
  EXPECT_NE(ptx_of(dims + "input a[m, k] : f16\ninput b[k, n] : f16\nc = sum[k](a * b)\noutput c")
                .find("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
            std::string::npos);
  EXPECT_NE(ptx_of(dims + "input a[m, k] : u8\ninput b[k, n] : i8\n"
                          "c = sum[k](i32(a) * i32(b))\noutput c")
                .find("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32"),
            std::string::npos);
  // f32 is f32: no unit for matrices holds its values.
  EXPECT_EQ(ptx_of(dims + "input a[m, k]\ninput b[k, n]\nc = sum[k](a * b)\noutput c").find("mma"),
            std::string::npos);
}

TEST(GpuPtx, IsForTheDeviceThatIsAskedFor) {
  for (const char* arch : {"sm_80", "sm_90", "sm_100"})
    EXPECT_NE(ptx_of("dim n = 64\ninput x[n]\ny = -x\noutput y", arch)
                  .find(std::string(".target ") + arch),
              std::string::npos);
}

TEST(GpuPtx, WithoutLibdeviceFunctionsOfF64SayWhatToInstall) {
  setenv("CUDA_HOME", "/no/such/cuda", 1);
  try {
    ptx_of("dim n = 64\ninput x[n] : f64\ny = exp(x)\noutput y");
    ADD_FAILURE() << "nothing is thrown";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("kernels that call exp need CUDA's libdevice, and "
                        "/no/such/cuda/nvvm/libdevice/libdevice.10.bc cannot be read"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("set CUDA_HOME"), std::string::npos) << text;
  }
  unsetenv("CUDA_HOME");
}

}  // namespace
}  // namespace tessera
