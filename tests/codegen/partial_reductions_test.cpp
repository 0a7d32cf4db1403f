#include "codegen/partial_reductions.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/fuse.h"
#include "codegen/lower.h"
#include "codegen/schedule.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

int64_t chunks_of(const KernelGroup& group) {
  LoopNest nest = lower(group);
  schedule(nest, {.vectors = {.vector_bytes = 64}, .workers = 8});
  return nest.chunks;
}

TEST(PartialReductions, GiveThreadsEnoughToShare) {
  for (const char* text : {"dim n = 2097152\ninput x[n]\ns = sum[n](x * x)\noutput s\n",
                           "dim n = 65536, c = 64\ninput x[n, c]\ns = max[n](x)\noutput s[c]\n",
                           "dim c = 3, n = 1000003\ninput x[c, n]\ns = sum[n](x)\noutput s[c]\n"}) {
    const std::vector<KernelGroup> groups = fused(text);
    ASSERT_GE(groups.size(), 2u) << text;
    EXPECT_GE(chunks_of(groups[0]), 16) << describe(groups[0]);
  }
}

TEST(PartialReductions, ShortOnesAndThoseWithManyResultsStayWhole) {
  for (const char* text : {"dim n = 20000\ninput x[n]\ns = sum[n](x * x)\noutput s\n",
                           "dim b = 1024, n = 2048\ninput x[b, n]\ns = sum[n](x)\noutput s[b]\n",
                           "dim n = 2048, c = 4096\ninput x[n, c]\ns = sum[n](x)\noutput s[c]\n"})
    EXPECT_EQ(fused(text).size(), 1u) << text;
}

// Whose fault says `at`, at n = 1234567, as the program does.
TEST(PartialReductions, WhatDataMayLeadOutsideStaysWhole) {
  EXPECT_EQ(fused("dim n = 2097152, k = 10\ninput x[k]\ninput at[n] : i32\n"
                  "s = sum[n](x[k: at])\noutput s\n")
                .size(),
            1u);
}

TEST(PartialReductions, ComputeWhatTheInterpreterDoes) {
  for (const int64_t n : {1048576, 1048583, 1050000})
    for (const int parts : {1, 5})
      EXPECT_EQ(run_and_compare(
                    fmt::format("dim n = {}\ninput x[n]\ns = sum[n](x)\nm = max[n](x - 2)\n"
                                "l = min[n](x)\na = any[n](x > 100)\nall_small = all[n](x < 9)\n"
                                "output s\noutput m\noutput l\noutput a\noutput all_small\n",
                                n),
                    parts),
                "")
          << n;
}

TEST(PartialReductions, ComputeSeveralDimsTypesAndProducts) {
  EXPECT_EQ(
      run_and_compare("dim n = 1031, c = 7, k = 149\ninput x[n, c, k]\ninput i[n, c, k] : i32\n"
                      "input h[n, c, k] : bf16\ns = sum[n, k](x)\nt = sum[n, k](i)\n"
                      "p = prod[n, k](where(x > 0.1, 1.0, -1.0))\nu = sum[n, k](h)\n"
                      "output s[c]\noutput t[c]\noutput p[c]\noutput u[c]\n"),
      "");
}

}  // namespace
}  // namespace tessera
