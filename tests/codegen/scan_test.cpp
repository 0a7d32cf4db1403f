#include "codegen/scan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/kernel_model.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

Nest last_nest(const std::string& text) {
  return nests_of(normalize(parse("program p\n" + text))).back();
}

void expect_agreement(const std::string& text) {
  SCOPED_TRACE(text);
  const Program program = parse("program p\n" + text);
  Arrays given;
  uint64_t seed = 1;
  for (const Tensor& input : program.inputs())
    given.emplace(input.name(), whole_numbers(input, seed++));
  Compiler compiler = plain_compiler();
  for (const bool fused : {false, true})
    EXPECT_EQ(run_and_compare(program, given, compiler, {fused, fused ? 1 : 3}), "");
}

TEST(FindScan, SeesThroughEveryWayToWriteAnOrder) {
  const auto scan_of = [](const std::string& guard) {
    return find_scan(last_nest(fmt::format(
        "dim t = 9, s = 7\ninput x[s]\ny = sum[s](where({}, x, 0))\noutput y\n", guard)));
  };
  struct Case {
    const char* guard;
    bool descending;
    int64_t offset;
  };
  for (const Case& each : std::initializer_list<Case>{{"s <= t", false, 0},
                                                      {"s < t", false, -1},
                                                      {"t >= s", false, 0},
                                                      {"t > s", false, -1},
                                                      {"s + 2 <= t", false, -2},
                                                      {"s - t < 3", false, 2},
                                                      {"s >= t", true, 0},
                                                      {"s > t", true, 1},
                                                      {"t + 4 <= s", true, 4},
                                                      {"t - s < 2", true, -1}}) {
    const std::optional<Scan> scan = scan_of(each.guard);
    ASSERT_TRUE(scan) << each.guard;
    EXPECT_EQ(scan->out.name(), "t");
    EXPECT_EQ(scan->in.name(), "s");
    EXPECT_EQ(scan->descending, each.descending) << each.guard;
    EXPECT_EQ(scan->offset, each.offset) << each.guard;
  }
  for (const char* guard : {"s != t", "2 * s <= t", "s + t <= 5", "s <= 4"})
    EXPECT_FALSE(scan_of(guard)) << guard;
}

TEST(FindScan, LeavesAloneWhatUsesTheResultsDimOtherwise) {
  EXPECT_FALSE(
      find_scan(last_nest("dim t = 9, s = 9\ninput x[s]\ninput w[t]\ny = sum[s](where(s <= t, x * "
                          "w, 0))\noutput y\n")));
  EXPECT_TRUE(find_scan(last_nest(
      "dim t = 9, s = 9\ninput x[s]\ny = prod[s](where(s <= t and s > 2, x, 1))\noutput y\n")));
}

TEST(FindScan, CountsStepsOnce) {
  const auto operations = [](int n) {
    return operations_of(
        last_nest(fmt::format("dim k = {}\ninput x[k]\ny = cumsum[k](x)\noutput y\n", n)));
  };
  EXPECT_LT(operations(20000), 2.1 * operations(10000));
}

// Reductions, orders and offsets that reach beyond both ends, along an outer, a middle and an inner
// dim.
class Scans : public testing::TestWithParam<int> {};

TEST_P(Scans, AgreeWithTheInterpreter) {
  const int n = GetParam();
  for (const char* guard :
       {"s <= t", "s < t - 3", "s <= t + 4", "s > t", "s >= t - 5", "s > t + 2"})
    for (const char* reduction : {"sum[s](where({}, x, 0))", "prod[s](where({}, x / 4, 1))",
                                  "max[s](where({}, x, -inf))", "min[s](where({}, x, inf))"})
      expect_agreement(
          fmt::format("dim t = {}, s = 11, b = 3, c = 5\ninput x[b, s, c]\n"
                      "y = {}\noutput y[b, t, c]\n",
                      n, fmt::format(fmt::runtime(reduction), guard)));
}

// Where the scan goes along memory, it takes in several elements at once.
TEST(ScanVectors, AlongTheInnermostDimAgree) {
  for (const auto& [ins, outs] : {std::pair{11, 70}, {70, 64}, {200, 203}, {333, 15}})
    for (const char* guard :
         {"s <= t", "s < t - 3", "s <= t + 40", "s > t", "s >= t - 5", "s > t + 2"})
      for (const char* reduction : {"sum[s](where({}, x, 0))", "prod[s](where({}, x / 4, 1))",
                                    "max[s](where({}, x, -inf))"})
        expect_agreement(
            fmt::format("dim t = {}, s = {}, b = 2\ninput x[b, s]\n"
                        "y = {}\noutput y[b, t]\n",
                        outs, ins, fmt::format(fmt::runtime(reduction), guard)));
  expect_agreement(
      "dim t = 70, s = 70\ninput x[s]\ny = any[s](where(s <= t, x > 3, false))\n"
      "output y[t]\n");
}

TEST_P(Scans, OfEveryType) {
  for (const char* type : {"f64", "bf16", "f16", "i32", "i64"})
    expect_agreement(
        fmt::format("dim t = {}, b = 3\ninput x[b, t] : {}\ny = cumsum[t](x)\n"
                    "z = cumsum[b](x)\noutput y[b, t]\noutput z[b, t]\n",
                    GetParam(), type));
}

TEST_P(Scans, BesideOtherNests) {
  expect_agreement(
      fmt::format("dim t = {}, b = 3\ninput x[t, b]\nlow = x * 2 + 1\n"
                  "y = cumsum[t](low) - low\nz = max[t](y)\n"
                  "output y[t, b]\noutput z[b]\n",
                  GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Extents, Scans, testing::Values(1, 2, 7, 16, 33, 150));

}  // namespace
}  // namespace tessera
