#include "codegen/contraction.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "codegen/compile.h"
#include "codegen/contraction_schedule.h"
#include "codegen/run_chunks.h"
#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/guarded_bytes.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

KernelGroup group_of(const Program& program) {
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  for (const Update& update : program.updates()) needed.insert(update.value);
  return make_group(nests_of(program), needed);
}

// Small whole numbers, so that every order of summation gives the same result.
Array random_array(const Tensor& tensor, std::mt19937& random) {
  Array array = make_array(tensor.type(), extents(tensor.dims()));
  std::uniform_int_distribution<int> values(-4, 4);
  for (size_t i = 0; i < array.size(); ++i) array.set(i, values(random));
  return array;
}

CompilerOptions no_cache(CpuLevel level = CpuLevel::host) {
  CompilerOptions options;
  options.use_cache = false;
  options.always_tile = true;
  options.level = level;
  return options;
}

// Compiles the group for a level, runs its chunks in `parts` ranges, last range first, and compares
// every output with what is expected.
void expect_values(const KernelGroup& group, const Arrays& inputs, const Arrays& expected,
                   int parts, CpuLevel level) {
  SCOPED_TRACE(name_of(level));
  Compiler compiler(no_cache(level));
  const Kernel kernel = compiler.compile(group);
  std::vector<std::unique_ptr<GuardedBytes>> buffers;
  for (const Tensor& input : group.inputs)
    buffers.push_back(std::make_unique<GuardedBytes>(inputs.at(input.name())));
  for (const Tensor& output : group.outputs)
    buffers.push_back(
        std::make_unique<GuardedBytes>(volume(output.dims()) * size_of(output.type())));
  std::vector<void*> arguments;
  for (const std::unique_ptr<GuardedBytes>& buffer : buffers) arguments.push_back(buffer->data());

  int64_t fault = 0;
  for (int part = parts; part-- > 0;) {
    GuardedBytes scratch(kernel.scratch_bytes);
    run_chunks(kernel, arguments.data(), scratch.data(), kernel.chunks * part / parts,
               kernel.chunks * (part + 1) / parts, &fault);
  }
  EXPECT_EQ(fault, 0);
  for (size_t i = 0; i < group.outputs.size(); ++i) {
    const Array& want = expected.at(group.outputs[i].name());
    Array result = make_array(want.type, want.shape);
    std::copy_n(buffers[group.inputs.size() + i]->data(), result.data.size(), result.data.begin());
    EXPECT_EQ(difference(group.outputs[i].name(), result, want, 1e-5), "");
  }
}

// The program's one group at every level.
void expect_as_interpreted(const std::string& text, int parts = 1, Arrays given = {}) {
  SCOPED_TRACE(text);
  const Program program = normalize(parse(text));
  const KernelGroup group = group_of(program);
  const std::optional<ContractionGroup> found = find_contraction(group);
  ASSERT_TRUE(found.has_value());

  std::mt19937 random(7);
  Arrays inputs = std::move(given);
  for (const Tensor& input : program.inputs())
    inputs.try_emplace(input.name(), random_array(input, random));
  const Arrays expected = interpret_all(program, inputs, {});
  for (const CpuLevel level : test_levels()) expect_values(group, inputs, expected, parts, level);
}

std::string matmul(int m, int n, int k, const std::string& a, const std::string& b,
                   const std::string& c, const std::string& type) {
  return "program matmul\ndim m = " + std::to_string(m) + ", n = " + std::to_string(n) +
         ", k = " + std::to_string(k) + "\ninput a[" + a + "] : " + type + "\ninput b[" + b +
         "] : " + type + "\nc = sum[k](a * b)\noutput c[" + c + "]\n";
}

TEST(Contraction, RolesOfAMatmul) {
  const Program p = normalize(parse(matmul(30, 20, 40, "m, k", "k, n", "m, n", "f32")));
  const std::optional<Contraction> c = find_contraction(nests_of(p)[0]);
  ASSERT_TRUE(c);
  EXPECT_EQ(describe(*c), "m = m; n = n; k = k; batch = no dims");
  EXPECT_TRUE(worth_tiling(*c));
  EXPECT_EQ(describe(swapped(*c)), "m = n; n = m; k = k; batch = no dims");
}

const char* const kCapsules = R"(
program caps
dim batch = 3, y = 7, x = 7, oy = 3, ox = 3, ky = 3, kx = 3
dim cin = 5, cout = 6, row = 4, mid = 4, col = 4
input pose[batch, y, x, cin, row, mid]
input w[ky, kx, cin, cout, mid, col]
caps = sum[ky, kx, cin, mid](pose[y: 2*oy + ky, x: 2*ox + kx] * w)
output caps[batch, oy, ox, cout, row, col]
)";

TEST(Contraction, RolesOfCapsules) {
  const Program p = normalize(parse(kCapsules));
  const std::optional<Contraction> c = find_contraction(nests_of(p)[0]);
  ASSERT_TRUE(c);
  EXPECT_EQ(describe(*c),
            "m = batch, oy, ox, row; n = cout, col; k = ky, kx, cin, mid; batch = no dims");
}

// An operand that is multiplied by a number would have to be computed where it could be read.
TEST(Contraction, NumbersMultiplyTheSum) {
  const std::string text =
      "program p\ndim i = 9, j = 8, k = 17\ninput a[i, k]\ninput b[j, k]\ninput s\n"
      "c = sum[k](-a * b * s * 0.5)\noutput c[i, j]\n";
  expect_as_interpreted(text);
  const std::optional<Contraction> c = find_contraction(nests_of(normalize(parse(text)))[0]);
  ASSERT_TRUE(c);
  EXPECT_NE(as<Read>(c->a), nullptr);
  EXPECT_NE(as<Read>(c->b), nullptr);
}

TEST(Contraction, FactorsOutsideTheSumBecomeAScale) {
  const Program p = normalize(
      parse("program p\ndim i = 9, j = 8, k = 7\ninput a[i, k]\ninput b[j, k]\ninput s[i, j]\n"
            "c = sum[k](s * a * b)\noutput c[i, j]\n"));
  for (const Nest& nest : nests_of(p)) {
    const std::optional<Contraction> c = find_contraction(nest);
    ASSERT_TRUE(c);
    EXPECT_EQ(describe(*c), "m = i; n = j; k = k; batch = no dims");
    EXPECT_TRUE(c->scale);
  }
}

TEST(Contraction, NotEverySumIsOne) {
  for (const std::string text :
       {"program p\ndim i = 9, k = 7\ninput a[i, k]\nc = sum[k](a)\noutput c[i]\n",
        "program p\ndim i = 9, k = 7\ninput a[i, k]\ninput b[k]\nc = sum[k](a * b)\noutput c[i]\n",
        "program p\ndim i = 9, j = 3, k = 7\ninput a[i, k]\n"
        "c = max[k](exp(a) * a)\noutput c[i]\n"})
    for (const Nest& nest : nests_of(normalize(parse(text))))
      EXPECT_FALSE(find_contraction(nest)) << text;
}

TEST(Contraction, SmallOnesAreLeftToTheGeneralNest) {
  const auto worth = [](int m, int n, int k, const std::string& b) {
    const Program p = normalize(parse(matmul(m, n, k, "m, k", b, "m, n", "f32")));
    return worth_tiling(*find_contraction(nests_of(p)[0]));
  };
  EXPECT_TRUE(worth(64, 64, 64, "k, n"));
  EXPECT_TRUE(worth(1000, 3, 64, "k, n"));
  EXPECT_FALSE(worth(1, 512, 784, "k, n"));
  EXPECT_FALSE(worth(512, 512, 1, "k, n"));
  EXPECT_FALSE(worth(512, 512, 8, "k, n"));
  EXPECT_TRUE(worth(512, 512, 8, "n, k"));
  EXPECT_FALSE(worth(7, 7, 7, "n, k"));
}

TEST(Contraction, EmptyOnesAreNone) {
  for (const auto& [m, n, k] : std::vector<std::array<int, 3>>{{0, 5, 5}, {5, 0, 5}, {5, 5, 0}})
    EXPECT_FALSE(find_contraction(
        nests_of(normalize(parse(matmul(m, n, k, "m, k", "k, n", "m, n", "f32"))))[0]));
}

TEST(Contraction, MatmulsOfAwkwardSizes) {
  for (const auto& [m, n, k] : std::vector<std::array<int, 3>>{{4, 8, 64},
                                                               {5, 17, 31},
                                                               {32, 64, 16},
                                                               {51, 101, 37},
                                                               {101, 3, 53},
                                                               {7, 130, 11},
                                                               {50, 48, 1200},
                                                               {200, 49, 17},
                                                               {37, 96, 8},
                                                               {1, 40, 40},
                                                               {40, 1, 40},
                                                               {1, 1, 77},
                                                               {9, 9, 1}})
    for (const char* a : {"m, k", "k, m"})
      for (const char* b : {"k, n", "n, k"})
        expect_as_interpreted(matmul(m, n, k, a, b, "m, n", "f32"));
}

TEST(Contraction, OtherTypesAndTransposedResults) {
  for (const char* type : {"f64", "i32", "i64"}) {
    expect_as_interpreted(matmul(67, 101, 97, "m, k", "k, n", "m, n", type), 3);
    expect_as_interpreted(matmul(33, 30, 40, "k, m", "n, k", "n, m", type));
  }
  expect_as_interpreted(matmul(67, 101, 97, "m, k", "n, k", "n, m", "f32"));
}

TEST(Contraction, ChunksAreIndependent) {
  expect_as_interpreted(matmul(203, 200, 410, "m, k", "k, n", "m, n", "f32"), 3);
}

TEST(Contraction, CapsulesAndConvolutions) {
  expect_as_interpreted(kCapsules);
  expect_as_interpreted(
      "program conv\ndim b = 2, y = 9, x = 11, oy = 7, ox = 9, ky = 3, kx = 3, ci = 5, co = 12\n"
      "input image[b, y, x, ci]\ninput filter[ky, kx, ci, co]\n"
      "out = sum[ky, kx, ci](image[y: oy + ky, x: ox + kx] * filter)\n"
      "output out[b, oy, ox, co]\n");
  expect_as_interpreted(
      "program padded\ndim b = 2, y = 9, x = 11, ky = 3, kx = 3, ci = 16, co = 12\n"
      "input image[b, ci, y, x]\ninput filter[co, ci, ky, kx]\n"
      "out = sum[ky, kx, ci](image[y: y + ky - 1 pad 0, x: x + kx - 1 pad 0] * filter)\n"
      "output out[b, co, y, x]\n");
}

// Rows that nowhere meet the pad are read where they lie, the others are packed.
TEST(Contraction, PadsAreMetAtTheEdgesOnly) {
  const auto padded = [](int x, int taps, const std::string& index, const std::string& type) {
    return fmt::format(
        "program padded\ndim b = 2, y = 6, x = {}, ox = {}, ky = 3, kx = {}, ci = 16, co = 24\n"
        "input image[b, y, x, ci] : {}\ninput filter[ky, kx, ci, co] : {}\n"
        "out = sum[ky, kx, ci](image[y: y + ky - 1 pad 3, x: {} pad 3] * filter)\n"
        "output out[b, y, ox, co]\n",
        x, x, taps, type, type, index);
  };
  const Program program = normalize(parse(padded(40, 3, "ox + kx - 1", "f32")));
  std::optional<ContractionGroup> group = find_contraction(group_of(program));
  ASSERT_TRUE(group.has_value());
  VectorTarget target;
  ContractionPlan plan = plan_contraction(*group, target);
  EXPECT_EQ(plan.schedule.a, Feed::direct);
  EXPECT_EQ(edges_of(plan).size(), 2U);
  for (const char* type : {"f32", "f64", "i32"})
    for (const int x : {40, 37, 8, 1}) {
      expect_as_interpreted(padded(x, 3, "ox + kx - 1", type), 3);
      expect_as_interpreted(padded(x, 5, "ox + 2 * kx - 4", type));
      expect_as_interpreted(padded(x, 2, "-1 * ox - kx + 20", type));
    }
}

TEST(Contraction, BatchesAndGroupsOfDims) {
  expect_as_interpreted(
      "program attention\ndim b = 2, h = 3, q = 17, s = 19, d = 24\n"
      "input query[b, q, h, d]\ninput key[b, s, h, d]\n"
      "score = sum[d](query * key)\noutput score[b, h, q, s]\n",
      2);
  expect_as_interpreted(
      "program tensor\ndim a = 3, b = 5, c = 4, d = 7, e = 3, f = 6\n"
      "input x[a, e, b, f]\ninput y[f, c, e, d]\n"
      "z = sum[e, f](x * y)\noutput z[c, a, d, b]\n");
  expect_as_interpreted(
      "program broadcast\ndim i = 12, j = 20, k = 9, l = 5\n"
      "input x[i, k]\ninput y[k, l, j]\nz = sum[k, l](x * y)\noutput z[i, j]\n");
}

TEST(Contraction, FormulasInOperandsRunWhilePacking) {
  expect_as_interpreted(
      "program prologue\ndim i = 33, j = 40, k = 50\n"
      "input x[i, k]\ninput s[k]\ninput y[k, j]\ninput n[j] : i32\n"
      "z = sum[k](max(x * s - 1, 0) * where(n < 2, y, 0.5))\noutput z[i, j]\n");
  expect_as_interpreted(
      "program mask\ndim i = 33, j = 40, k = 50\n"
      "input x[k, i]\ninput y[j, k]\n"
      "z = sum[k](where(k <= i, x, 0) * f32(i32(y)))\noutput z[i, j]\n");
}

TEST(Contraction, GathersReadTheRightRows) {
  Arrays given;
  Array token = make_array(DType::i32, {21});
  for (size_t i = 0; i < 21; ++i) token.set(i, static_cast<double>(i * 5 % 13));
  given["token"] = token;
  expect_as_interpreted(
      "program embed\ndim t = 21, v = 13, d = 24, j = 40\n"
      "input token[t] : i32\ninput table[v, d]\ninput w[d, j]\n"
      "h = sum[d](table[v: token] * w)\noutput h[t, j]\n",
      1, given);
}

TEST(Contraction, AGatherOutsideIsAFault) {
  const Program program =
      normalize(parse("program embed\ndim t = 9, v = 13, d = 24, j = 40\n"
                      "input token[t] : i32\ninput table[v, d]\ninput w[d, j]\n"
                      "h = sum[d](table[v: token] * w)\noutput h[t, j]\n"));
  const KernelGroup group = group_of(program);
  Compiler compiler(no_cache());
  const Kernel kernel = compiler.compile(group);
  std::mt19937 random(7);
  std::map<std::string, Array> arrays;
  std::vector<void*> arguments;
  for (const Tensor& tensor : kernel.arguments) {
    Array& array = arrays.emplace(tensor.name(), random_array(tensor, random)).first->second;
    for (size_t i = 0; tensor.name() == "token" && i < 9; ++i) array.set(i, i == 8 ? 13 : 1);
    arguments.push_back(array.data.data());
  }
  int64_t fault = 0;
  GuardedBytes scratch(kernel.scratch_bytes);
  run_chunks(kernel, arguments.data(), scratch.data(), 0, kernel.chunks, &fault);
  ASSERT_NE(fault, 0);
  EXPECT_THAT(
      describe_fault(kernel, fault),
      testing::HasSubstr("the index `token` is 13 where it reads `table` along `v`; allowed "
                         "is 0 to 12"));
}

TEST(Contraction, EpiloguesRunOnTheTile) {
  expect_as_interpreted(
      "program layer\ndim b = 45, k = 70, n = 50\n"
      "input x[b, k]\ninput w[k, n]\ninput bias[n]\ninput keep[b, n] : bool\n"
      "s = sum[k](x * w)\nh = max(s + bias, 0)\ng = where(keep, h * 2, s)\n"
      "output h[b, n]\noutput g[b, n]\n",
      2);
  expect_as_interpreted(
      "program transposed\ndim b = 20, k = 70, c = 6, d = 4\n"
      "input x[b, k]\ninput w[k, c, d]\ninput r[c, b, d]\n"
      "s = sum[k](x * w)\nh = s * r + f32(c)\noutput h[c, b, d]\noutput s[b, d, c]\n");
}

}  // namespace
}  // namespace tessera
