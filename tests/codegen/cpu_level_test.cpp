#include "codegen/cpu_level.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "codegen/build_kernel.h"
#include "codegen/machine.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

std::string refusal(const std::string& text, const std::vector<CpuLevel>& here) {
  try {
    parse_cpu_level(text, "--cpu", here);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(CpuLevels, OneThatTheHostLacksIsRefusedWithWhatItHas) {
  const std::vector<CpuLevel> avx2 = {CpuLevel::host, CpuLevel::v2, CpuLevel::v3};
  EXPECT_EQ(parse_cpu_level("x86-64-v3", "--cpu", avx2), CpuLevel::v3);
  EXPECT_EQ(parse_cpu_level("host", "--cpu", avx2), CpuLevel::host);
  EXPECT_EQ(refusal("x86-64-v4", avx2),
            "--cpu x86-64-v4: this host's processor lacks instructions of that level; here it can "
            "be host, x86-64-v2, x86-64-v3");
  EXPECT_EQ(refusal("haswell", avx2),
            "--cpu takes a level of processors, host, x86-64-v2, x86-64-v3, x86-64-v4, not "
            "`haswell`");
}

TEST(CpuLevels, OfThisHostBeginWithItselfAndEndWithItsProcessor) {
  const std::vector<CpuLevel>& here = cpu_levels_here();
  ASSERT_FALSE(here.empty());
  EXPECT_EQ(here.front(), CpuLevel::host);
  EXPECT_TRUE(std::is_sorted(here.begin(), here.end()));
  if (here.size() > 1) {
    EXPECT_EQ(processor_of(CpuLevel::host), name_of(here.back()));
  }
}

// What follows from the level: vectors, the key in the cache, the machine code.
TEST(CpuLevels, DecideVectorsAndKeys) {
  const Program p = normalize(parse("program p\ndim n = 40\ninput x[n]\ny = 2 * x\noutput y\n"));
  const KernelGroup group = make_group(nests_of(p), needed_of(p));
  std::set<std::string> keys;
  for (const CpuLevel level : cpu_levels_here()) {
    const VectorTarget& vectors = vectors_of(level);
    const int wide = level == CpuLevel::v4 ? 64 : level == CpuLevel::v3 ? 32 : 16;
    if (level != CpuLevel::host) {
      EXPECT_EQ(vectors.vector_bytes, wide) << name_of(level);
      EXPECT_EQ(vectors.registers, wide == 64 ? 32 : 16) << name_of(level);
      EXPECT_LE(vectors.vector_bytes, vectors_of(CpuLevel::host).vector_bytes);
    }
    const BuildOptions options{1, false, level};
    keys.insert(key_of_kernel(group, options));
    EXPECT_NE(
        text_of_kernel(group, options, true).find("\"target-cpu\"=\"" + processor_of(level) + "\""),
        std::string::npos);
  }
  EXPECT_EQ(keys.size(), cpu_levels_here().size());
}

}  // namespace
}  // namespace tessera
