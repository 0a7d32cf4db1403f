#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/kernel_form.h"
#include "codegen/lane_places.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// Reads whose lanes lie near one another, but not side by side, are right at every level of
// processors, on arrays that end where memory ends.
class NearLanes : public testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(NearLanes, AgreeWithTheInterpreter) {
  const auto [text, extent] = GetParam();
  for (const char* type : {"f32", "f64", "bf16", "i8"}) {
    const std::string source = fmt::format(
        "program p\ndim o = {0}, x = {1}, p = 3\ninput v[p, x] : {2}\ny = {3}\noutput y[p, o]\n",
        extent, 4 * extent + 3, type, text);
    const Program program = parse(source);
    Arrays inputs;
    for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
    for (const CpuLevel level : test_levels()) {
      Compiler compiler = plain_compiler(level);
      EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << source << name_of(level);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Reads, NearLanes,
    testing::Combine(testing::Values("v[x: 2*o]", "v[x: 2*o + 1]", "v[x: 3*o]", "v[x: 4*o + 2]",
                                     "v[x: 4*o + 3 - 5 pad 0]", "v[x: o // 2]", "v[x: o // 4 + 1]",
                                     "v[x: o // 3]", "v[x: 2 * (o // 2)]", "v[x: o % 4]",
                                     "v[x: (o + 1) // 2]", "v[x: 3*o - 7 pad 2]",
                                     "v[x: o // 2 - 3 pad 1]"),
                     testing::Values(1, 5, 16, 31, 64, 77)));

class ReversedLanes : public testing::TestWithParam<int> {};

TEST_P(ReversedLanes, AgreeWithTheInterpreter) {
  const int extent = GetParam();
  for (const char* index :
       {"{} - o", "{} - 2*o pad 0", "{} - o + p - 2 pad 7", "{} + 3 - o pad 1"}) {
    const std::string text = fmt::format(
        "program p\ndim o = {0}, x = {0}, p = 3\ninput v[p, x]\ny = v[x: {1}] * 2.0\n"
        "s = sum[o](v[x: {1}])\noutput y[p, o]\noutput s\n",
        extent, fmt::format(fmt::runtime(index), extent - 1));
    const Program program = parse(text);
    Arrays inputs;
    for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
    for (const CpuLevel level : test_levels()) {
      Compiler compiler = plain_compiler(level);
      EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << text << name_of(level);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Extents, ReversedLanes, testing::Values(2, 7, 16, 33, 64, 150));

// Where an index that no lane changes lies outside, nothing is read, and the array may be smaller
// than the lanes.
TEST(NearLanes, OutsideAltogetherReadThePad) {
  for (const int extent : {3, 20, 65}) {
    const std::string text = fmt::format(
        "dim o = {0}, q = 9, r = 5\ninput v[r, o]\ny = v[r: q - 2 pad 4]\n"
        "z = v[r: q - 2 pad 4, o: {1} - o]\noutput y[q, o]\noutput z[q, o]\n",
        extent, extent - 1);
    EXPECT_EQ(run_and_compare(text), "");
  }
}

LoopNest scheduled(const std::string& text) {
  return std::get<LoopNest>(kernel_form(fused(text)[0], {}, std::nullopt));
}

TEST(LanePlaces, AreKnownWhereNoDataDecides) {
  const LoopNest nest = scheduled(
      "dim o = 64, x = 200\ninput v[x]\ninput at[o] : i32\n"
      "y = v[x: 2*o] + v[x: 63 - o] + v[x: o // 2] + v[x: at]\noutput y\n");
  std::vector<std::optional<std::vector<int64_t>>> found;
  for (const Node& node : nest.nodes)
    if (node.kind == Node::Kind::load && node.type == DType::f32)
      found.push_back(
          lane_places(nest, node.address, nest.lane >= 0 ? nest.lane : nest.stages[0].lane, 4));
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0], (std::vector<int64_t>{0, 2, 4, 6}));
  EXPECT_EQ(found[1], (std::vector<int64_t>{0, -1, -2, -3}));
  EXPECT_EQ(found[2], (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_FALSE(found[3].has_value());
  EXPECT_EQ(registers_of(*found[0], 4), 2);
  EXPECT_EQ(registers_of(*found[1], 4), 1);
}

}  // namespace
}  // namespace tessera
