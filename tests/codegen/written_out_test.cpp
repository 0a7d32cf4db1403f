#include "codegen/written_out.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/lower.h"
#include "codegen/schedule.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// Short reductions, written out or not, in every order of loops and along every lane.
class WrittenOut : public testing::TestWithParam<const char*> {};

TEST_P(WrittenOut, AgreesWithTheInterpreter) {
  for (const char* type : {"f32", "i32", "bf16"}) {
    for (const int extent : {5, 19}) {
      const std::string text = fmt::format(
          "program p\ndim o = {0}, p = 3, r = 4, s = 2, t = o\ninput x[r, o, p] : {1}\n"
          "input y[r, p, o] : {1}\ninput z[s, t] : {1}\nv = {2}\noutput v[p, o]\n",
          extent, type, GetParam());
      const Program program = parse(text);
      Arrays inputs;
      for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
      for (const CpuLevel level : test_levels())
        EXPECT_EQ(compare_all_schedules(program, inputs, 2e-5, level), "") << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Reductions, WrittenOut,
                         testing::Values("sum[r](x + y)", "max[r](x - y)",
                                         "min[r, s](x * y - z[t: o])", "prod[r](x * y)",
                                         "sum[r, s](where(r == o, x, y) * z[t: o])",
                                         "max[r](x + z[t: o + r - 2 pad 1, s: r % 2])",
                                         "sum[s](z[t: o - s pad 0] * y[r: s + 1])",
                                         "argmax[r](x - y)"));

std::optional<LoopNest> map_of(const std::string& text) {
  return written_out(lower(fused(text)[0]));
}

TEST(WrittenOutNest, IsAMap) {
  const std::optional<LoopNest> map = map_of(
      "dim o = 100, p = 30, r = 3\ninput x[r, o, p]\ninput y[r, p, o]\nv = max[r](x - y)\n"
      "output v[o, p]\n");
  ASSERT_TRUE(map);
  EXPECT_TRUE(map->stages[0].reduced.empty());
  EXPECT_TRUE(map->reductions.empty());
  int loads = 0;
  for (const Node& node : map->nodes) loads += node.kind == Node::Kind::load ? 1 : 0;
  EXPECT_EQ(loads, 6);
}

TEST(WrittenOutNest, IsOnlyMadeOfFewSteps) {
  EXPECT_FALSE(map_of("dim o = 100, r = 17\ninput x[r, o]\nv = max[r](x)\noutput v\n"));
  EXPECT_FALSE(map_of("dim o = 100, r = 4\ninput x[r, o]\nv = x + 1.0\noutput v\n"));
  EXPECT_FALSE(map_of("dim o = 100, r = 4\ninput x[r, o]\nv = all[r](x > 0.0)\noutput v\n"))
      << "booleans are kept in bytes";
}

// What lies across the lanes is then read along another loop and transposed.
TEST(WrittenOutNest, IsChosenWhereALoopShouldRunInside) {
  LoopNest nest = lower(
      fused("dim o = 512, p = 2048, r = 2\ninput x[r, o, p]\ninput y[r, p, o]\nv = min[r](x * y)\n"
            "output v[o, p]\n")[0]);
  schedule(nest, {{.vector_bytes = 32}, 1});
  EXPECT_TRUE(nest.stages[0].reduced.empty());
  EXPECT_EQ(nest.stages[0].transposed.size(), 2u);
}

}  // namespace
}  // namespace tessera
