// Kernels of the suites for GPUs: assembled by ptxas where there is one.
#include "launcher/bench/gpu_assembly.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/normalize.h"
#include "launcher/bench/gpu_program.h"
#include "launcher/commands/bench_gpu.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

TEST(GpuAssembly, ReadsWhatPtxasSays) {
  const Assembly assembly = parse_assembly(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'tessera_0' for 'sm_90'\n"
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 34 registers, used 0 barriers\n"
      "ptxas info    : Compiling entry function 'tessera_1' for 'sm_90'\n"
      "    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n"
      "ptxas info    : Used 128 registers, used 1 barriers, 25600 bytes smem\n");
  EXPECT_EQ(assembly.registers, 128);
  EXPECT_EQ(assembly.spilled_bytes, 20);
  EXPECT_EQ(assembly.shared_bytes, 25600);
  EXPECT_EQ(assembly.problem, "");
}

TEST(GpuAssembly, TakesArchitecturesFromEightyOn) {
  EXPECT_EQ(parse_archs("sm_80,sm_90"), (std::vector<std::string>{"sm_80", "sm_90"}));
  for (const char* wrong : {"sm_70", "gfx90a", "sm_", "sm_90 ", ""})
    EXPECT_THROW(parse_archs(wrong), UserError) << wrong;
}

struct Case {
  const char* folder;
  const char* suite;
  std::vector<std::string> archs;
};

const std::vector<std::string> kAll = {"sm_80", "sm_90", "sm_100"};

class GpuSuites : public ::testing::TestWithParam<Case> {};

// Products, convolutions, everything that memory bounds, attention: without spilled registers.
TEST_P(GpuSuites, KernelsAreAssembled) {
  const std::optional<std::string> ptxas = find_ptxas();
  if (!ptxas) GTEST_SKIP() << "there is no ptxas: install the CUDA toolkit, or set CUDA_HOME";
  const TempFolder folder;
  size_t kernels = 0;
  for (const Suite& suite : load_suites(TESSERA_SOURCE_DIR "/" + std::string(GetParam().folder))) {
    if (suite.name != GetParam().suite) continue;
    for (const SuiteRow& row : suite.rows)
      for (const GpuAssembly& each :
           assemble_row(*ptxas, suite, row, GetParam().archs, folder.path())) {
        ++kernels;
        EXPECT_EQ(each.assembly.problem, "") << each.row << " " << each.kernel << " " << each.arch;
        EXPECT_EQ(each.assembly.spilled_bytes, 0) << each.row << " " << each.kernel;
        EXPECT_GT(each.assembly.registers, 0);
      }
  }
  EXPECT_GE(kernels, GetParam().archs.size());
}

// Every row of that suite is one kernel of units for matrices.
TEST(GpuMatrices, RowsUseUnitsForMatrices) {
  size_t rows = 0;
  for (const Suite& suite : load_suites(TESSERA_SOURCE_DIR "/bench/gpu/kernels"))
    for (const SuiteRow& row : suite.rows) {
      ++rows;
      const GpuProgram program = gpu_program(normalize(program_of(row)), {});
      ASSERT_EQ(program.groups.size(), 1u) << row.name;
      const GpuForm form = gpu_form(program.groups[0], {});
      ASSERT_EQ(form.steps.size(), 1u) << row.name;
      const auto* tile = std::get_if<GpuTile>(&form.steps[0]);
      ASSERT_NE(tile, nullptr) << row.name;
      EXPECT_TRUE(tile->narrow) << row.name;
    }
  EXPECT_GE(rows, 12u);
}

INSTANTIATE_TEST_SUITE_P(Suites, GpuSuites,
                         ::testing::Values(Case{"bench/kernels", "memory", kAll},
                                           Case{"bench/kernels", "attention", {"sm_90"}},
                                           Case{"bench/kernels", "matmul", {"sm_90"}},
                                           Case{"bench/kernels", "units", {"sm_90"}},
                                           Case{"bench/gpu/kernels", "matrices", kAll}),
                         [](const auto& info) { return std::string(info.param.suite); });

}  // namespace
}  // namespace tessera
