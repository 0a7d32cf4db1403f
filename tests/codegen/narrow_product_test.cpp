// Products of narrow types: which unit they run on, and that they compute what the interpreter does
// at every level, around multiples of lanes and of the groups that words hold.
#include "codegen/narrow_product.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/convert.h"
#include "codegen/machine.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

const VectorTarget kAllUnits = {.bf16_products = 2, .i16_products = 2, .i8_products = 4};
const VectorTarget kPairs = {.bf16_products = 1, .i16_products = 2, .i8_products = 1};

// Of sum[k](x * y), where the inputs of each type are named like it.
NarrowProduct product_of(const std::string& x, const std::string& y, const VectorTarget& target) {
  std::string text = "program p\ndim m = 20, n = 30, k = 40\n";
  for (const char* type : {"bf16", "f16", "i8", "u8", "bool", "i32", "f32"})
    text += fmt::format("input a_{0}[m, k] : {0}\ninput b_{0}[k, n] : {0}\n", type);
  const Program program =
      normalize(parse(text + "y = sum[k](" + x + " * " + y + ")\noutput y[m, n]\n"));
  const std::vector<Nest> nests = nests_of(program);
  for (const Nest& nest : nests)
    if (const std::optional<Contraction> c = find_contraction(nest))
      return narrow_product(*c, target);
  ADD_FAILURE() << text;
  return {};
}

ProductUnit unit_of(const std::string& x, const std::string& y, const VectorTarget& target) {
  return product_of(x, y, target).unit;
}

TEST(NarrowProduct, FollowsFromWhatValuesAnOperandCanHave) {
  EXPECT_EQ(unit_of("a_bf16", "b_bf16", kAllUnits), ProductUnit::dot_bf16);
  EXPECT_EQ(unit_of("max(f32(a_bf16), 0)", "f32(b_i8)", kAllUnits), ProductUnit::dot_bf16);
  EXPECT_EQ(unit_of("where(m < k, f32(a_bf16), 2.5)", "f32(b_bf16)", kAllUnits),
            ProductUnit::dot_bf16);
  EXPECT_EQ(unit_of("where(m < k, f32(a_bf16), 2.501)", "f32(b_bf16)", kAllUnits),
            ProductUnit::none);
  EXPECT_EQ(unit_of("(f32(a_bf16) + 1)", "f32(b_bf16)", kAllUnits), ProductUnit::none);
  EXPECT_EQ(unit_of("f32(a_f16)", "f32(b_bf16)", kAllUnits), ProductUnit::none);
  EXPECT_EQ(unit_of("f32(a_bf16)", "b_f32", kAllUnits), ProductUnit::none);
  EXPECT_EQ(unit_of("a_bf16", "b_bf16", kPairs), ProductUnit::none);

  EXPECT_EQ(unit_of("i32(a_i8)", "i32(b_i8)", kAllUnits), ProductUnit::dot_i8);
  EXPECT_EQ(unit_of("i32(a_bool)", "i32(b_u8)", kAllUnits), ProductUnit::dot_i8);
  EXPECT_EQ(unit_of("max(i32(a_i8), 0)", "(i32(b_u8) - 128)", kAllUnits), ProductUnit::dot_i8);
  EXPECT_EQ(unit_of("(i32(a_u8) - 7)", "i32(b_i8)", kAllUnits), ProductUnit::dot_i16);
  EXPECT_EQ(unit_of("(i32(a_u8) - 7)", "i32(b_i8)", kPairs), ProductUnit::madd_i16);
  EXPECT_EQ(unit_of("i32(a_i8)", "i32(b_i8)", kPairs), ProductUnit::madd_i16);
  EXPECT_EQ(unit_of("i32(a_i8)", "b_i32", kAllUnits), ProductUnit::none);
  EXPECT_EQ(unit_of("i64(a_i8)", "i64(b_i8)", kAllUnits), ProductUnit::none);
  EXPECT_EQ(unit_of("i32(a_i8)", "i32(b_i8)", {}), ProductUnit::none);
}

TEST(NarrowProduct, ShiftsOperandsThatAreAlike) {
  EXPECT_TRUE(product_of("i32(a_i8)", "i32(b_i8)", kAllUnits).shifts_a());
  EXPECT_TRUE(product_of("i32(a_u8)", "i32(b_u8)", kAllUnits).shifts_a());
  EXPECT_FALSE(product_of("i32(a_u8)", "i32(b_i8)", kAllUnits).shifts_a());
  EXPECT_FALSE(product_of("i32(a_i8)", "i32(b_u8)", kAllUnits).shifts_a());
  EXPECT_FALSE(product_of("a_bf16", "b_bf16", kAllUnits).shifts_a());
}

// Bytes of every value, the extremes first; whole numbers for floats, so that sums are exact.
Array some_values(const Tensor& tensor, uint64_t seed) {
  if (is_float(tensor.type())) return whole_numbers(tensor, seed);
  Array array = make_array(tensor.type(), extents(tensor.dims()));
  for (size_t i = 0; i < array.size(); ++i) {
    const double u = uniform_value(seed, 0, i);
    const bool extreme = u < 0.5;
    const auto low = static_cast<double>(least(tensor.type()));
    const auto high = static_cast<double>(greatest(tensor.type()));
    if (tensor.type() == DType::b8)
      array.set(i, u < 0.5 ? 0 : 1);
    else if (extreme)
      array.set(i, u < 0.25 ? low : high);
    else
      array.set(i, std::floor(low + (high - low + 1) * (2 * u - 1)));
  }
  return array;
}

// Everything that can be tiled is, at every level that the host has.
void expect_as_interpreted(const std::string& text, double tolerance = 0) {
  SCOPED_TRACE(text);
  const Program program = parse(text);
  Arrays inputs;
  uint64_t seed = 3;
  for (const Tensor& input : program.inputs()) inputs[input.name()] = some_values(input, seed++);
  for (const CpuLevel level : cpu_levels_here()) {
    CompilerOptions options;
    options.use_cache = false;
    options.always_tile = true;
    options.level = level;
    Compiler compiler(options);
    EXPECT_EQ(run_and_compare(program, inputs, compiler, {.parts = 2, .tolerance = tolerance}), "")
        << name_of(level);
  }
}

struct Types {
  const char *a, *b, *x, *y;
};
class NarrowProducts : public testing::TestWithParam<Types> {};

std::string product(const Types& t, int m, int n, int k, const char* a, const char* b,
                    const char* c) {
  return fmt::format(
      "program p\ndim m = {}, n = {}, k = {}\ninput a[{}] : {}\ninput b[{}] : {}\n"
      "y = sum[k]({} * {})\noutput y[{}]\n",
      m, n, k, a, t.a, b, t.b, t.x, t.y, c);
}

TEST_P(NarrowProducts, OfAnyDepth) {
  for (const int k : {1, 2, 3, 5, 31, 64, 67, 131}) {
    expect_as_interpreted(product(GetParam(), 13, 35, k, "m, k", "k, n", "m, n"));
    if (k % 4 == 3) expect_as_interpreted(product(GetParam(), 13, 35, k, "k, m", "n, k", "m, n"));
  }
}

TEST_P(NarrowProducts, OfAwkwardSides) {
  for (const auto& [m, n] : std::vector<std::array<int, 2>>{
           {1, 1}, {1, 40}, {40, 1}, {3, 16}, {15, 31}, {29, 67}, {64, 64}})
    expect_as_interpreted(product(GetParam(), m, n, 37, "m, k", "k, n", "n, m"));
  expect_as_interpreted(product(GetParam(), 33, 70, 128, "m, k", "k, n", "m, n"));
}

// Several blocks of k, the last of which ends within a group.
TEST_P(NarrowProducts, OfManyBlocks) {
  expect_as_interpreted(product(GetParam(), 9, 17, 5001, "m, k", "n, k", "m, n"), 1e-6);
  expect_as_interpreted(product(GetParam(), 18, 20, 4999, "k, m", "k, n", "m, n"), 1e-6);
}

// Windows beyond the edge, batches, several summed dims whose extents are no multiples of a group.
TEST_P(NarrowProducts, OfConvolutionsAndBatches) {
  const Types& t = GetParam();
  const std::string x = t.x, y = t.y;
  std::string window = x;
  window.replace(window.find('a'), 1,
                 fmt::format("a[y: y + ky - 1 pad {0}, w: 2 * x + kx - 1 pad {0}]",
                             t.a == std::string("bool") ? "true" : "0"));
  for (const int c : {3, 8})
    expect_as_interpreted(fmt::format(
        "program conv\ndim s = 2, y = 5, x = 6, w = 11, ky = 3, kx = 2, c = {}, f = 12\n"
        "input a[s, y, w, c] : {}\ninput b[ky, kx, c, f] : {}\n"
        "out = sum[ky, kx, c]({} * {})\noutput out[s, y, x, f]\n",
        c, t.a, t.b, window, y));
  expect_as_interpreted(
      fmt::format("program batched\ndim h = 3, m = 17, n = 19, k = 22\ninput a[m, h, k] : {}\n"
                  "input b[n, h, k] : {}\ny = sum[k]({} * {}) * 3 + {}\noutput y[h, m, n]\n",
                  t.a, t.b, x, y, x.find("f32") == std::string::npos ? "i32(m)" : "f32(m)"));
}

TEST_P(NarrowProducts, UnderManySchedules) {
  const Program program = normalize(parse(product(GetParam(), 19, 37, 46, "m, k", "k, n", "m, n")));
  std::map<Tensor, Array> given;
  Arrays inputs;
  for (const Tensor& input : program.inputs()) {
    inputs[input.name()] = some_values(input, 5);
    given.emplace(input, inputs[input.name()]);
  }
  const KernelGroup group = make_group(nests_of(program), needed_of(program));
  const Arrays wanted = interpret_all(program, inputs, {});
  EXPECT_EQ(compare_schedules(group, given, wanted, {2, true, CpuLevel::host}, 0, 64), "");
}

INSTANTIATE_TEST_SUITE_P(Types, NarrowProducts,
                         testing::Values(Types{"bf16", "bf16", "f32(a)", "f32(b)"},
                                         Types{"i8", "i8", "i32(a)", "i32(b)"},
                                         Types{"u8", "u8", "i32(a)", "i32(b)"},
                                         Types{"u8", "i8", "i32(a)", "i32(b)"},
                                         Types{"i8", "u8", "i32(a)", "i32(b)"},
                                         Types{"u8", "i8", "(i32(a) - 7)", "max(i32(b), 0)"},
                                         Types{"bool", "i8", "i32(a)", "i32(b)"}),
                         [](const auto& info) {
                           const std::string x = info.param.x;
                           return fmt::format("{}_{}{}", info.param.a, info.param.b,
                                              x.find('-') == std::string::npos ? "" : "_less_7");
                         });

// Infinities, NaN and their products with 0 are as in f32.
TEST(NarrowProduct, OfBf16KeepsWhatIsNotFinite) {
  const Program program =
      parse(product({"bf16", "bf16", "f32(a)", "f32(b)"}, 12, 35, 41, "m, k", "k, n", "m, n"));
  Arrays inputs;
  for (const Tensor& input : program.inputs()) {
    Array& array = inputs[input.name()] = whole_numbers(input, 4);
    const double special[] = {std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN(), 0};
    for (size_t i = 0; i < 4; ++i) array.set(7 + 97 * i, special[i]);
  }
  for (const CpuLevel level : cpu_levels_here()) {
    Compiler compiler = plain_compiler(level);
    EXPECT_EQ(run_and_compare(program, inputs, compiler, {.tolerance = 0}), "") << name_of(level);
  }
}

// What docs/reference.md says about subnormal numbers.
TEST(NarrowProduct, OfBf16TakesSubnormalsForZero) {
  const Program program =
      parse(product({"bf16", "bf16", "f32(a)", "f32(b)"}, 20, 20, 32, "m, k", "k, n", "m, n"));
  Arrays inputs, flushed;
  for (const Tensor& input : program.inputs()) {
    Array array = make_array(DType::bf16, extents(input.dims()));
    Array& without = flushed[input.name()] = array;
    for (size_t i = 0; i < array.size(); ++i) {
      const bool subnormal = input.name() == "a" && i % 3 == 0;
      const uint16_t bits = subnormal ? 1 + i % 127 : f32_to_bf16(0x1p120F * (1 + i % 7));
      array.as<uint16_t>()[i] = bits;
      without.as<uint16_t>()[i] = subnormal ? 0 : bits;
    }
    inputs[input.name()] = array;
  }
  for (auto* all : {&inputs, &flushed})  // other factors are small, so that a sum of both shows
    for (size_t i = 0; i < (*all)["a"].size(); ++i)
      if (i % 3 != 0) (*all)["a"].set(i, 0x1p-126 * (1 + i % 3));
  const Arrays wanted = interpret_all(normalize(program), inputs, {});
  const Arrays less = interpret_all(normalize(program), flushed, {});
  EXPECT_NE(difference("y", less.at("y"), wanted.at("y"), 1e-5), "");
  for (const CpuLevel level : cpu_levels_here()) {
    std::map<Tensor, Array> given;
    const Program normal = normalize(program);
    for (const Tensor& input : normal.inputs()) given.emplace(input, inputs.at(input.name()));
    const KernelGroup group = make_group(nests_of(normal), needed_of(normal));
    Compiler compiler = plain_compiler(level);
    KernelRunner runner(given);
    runner.run(compiler.compile(group), group);
    EXPECT_EQ(difference("y", runner[group.outputs[0]], less.at("y"), 1e-5), "") << name_of(level);
  }
}

}  // namespace
}  // namespace tessera
