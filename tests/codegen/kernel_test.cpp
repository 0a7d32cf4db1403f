#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/functions.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// Every input filled with small whole numbers; each program runs fused and nest by nest, in one
// range of chunks and in several; fused at every level.
void expect_agreement(const std::string& text, Arrays given = {}) {
  SCOPED_TRACE(text);
  const Program program = parse(text);
  uint64_t seed = 1;
  for (const Tensor& input : program.inputs())
    given.try_emplace(input.name(), whole_numbers(input, seed++));
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const bool fused : {false, true})
      if (fused || level == CpuLevel::host) {
        EXPECT_EQ(run_and_compare(program, given, compiler, {fused, fused ? 1 : 3}), "")
            << name_of(level);
      }
  }
}

// Extents around the numbers of lanes, primes, and none at all.
class Extents : public testing::TestWithParam<int64_t> {
 protected:
  std::string with_dims(const std::string& body) const {
    return fmt::format("program p\ndim n = {}, m = 5, k = 3\n", GetParam()) + body;
  }
};

TEST_P(Extents, Maps) {
  expect_agreement(
      with_dims("input x[m, n]\ninput y[n]\ninput c[m]\n"
                "z = max(x * y + c, 0) / (abs(y) + 1)\noutput z[m, n]\n"));
  expect_agreement(with_dims("input x[m, n]\nz = x + 1\noutput z[n, m]\n"));
  expect_agreement(with_dims("input x[n]\nz = where(n < 4, exp(x), x) + f32(n)\noutput z[n]\n"));
}

TEST_P(Extents, ReductionsOfFloats) {
  for (const char* op : {"sum", "prod", "max", "min"}) {
    for (const char* type : {"f32", "f64"}) {
      const std::string input = fmt::format("input x[m, n, k] : {}\n", type);
      const std::string scaled = std::string(op) == "prod" ? "x / 4" : "x";
      for (const char* over : {"n", "m", "k", "m, n", "n, k", "m, n, k"})
        expect_agreement(
            with_dims(input + fmt::format("r = {}[{}]({})\noutput r\n", op, over, scaled)));
    }
  }
}

TEST_P(Extents, ReductionsOfIntegersAndBooleans) {
  for (const char* op : {"sum", "prod", "max", "min"})
    for (const char* type : {"i32", "i64"})
      expect_agreement(with_dims(
          fmt::format("input x[m, n] : {}\nr = {}[n](x)\ns = {}[m](x % 3)\noutput r\noutput s\n",
                      type, op, op)));
  for (const char* op : {"any", "all"})
    expect_agreement(with_dims(fmt::format(
        "input x[m, n] : bool\nr = {}[n](x)\ns = {}[m](not x)\noutput r\noutput s\n", op, op)));
}

TEST_P(Extents, SeveralStages) {
  expect_agreement(
      with_dims("input x[m, n]\nt = max[n](x)\ne = exp(x - t)\np = e / sum[n](e)\n"
                "output p[m, n]\n"));
  expect_agreement(
      with_dims("input x[n, m]\nt = max[n](x)\ne = exp(x - t)\np = e / sum[n](e)\n"
                "output p[n, m]\n"));
  expect_agreement(
      with_dims("input x[m, n]\ns = sum[n](x)\nd = x - s\nv = sum[n](d * d)\n"
                "y = d / sqrt(v + 1)\noutput y[m, n]\noutput v\n"));
}

TEST_P(Extents, Indexing) {
  expect_agreement(
      with_dims("dim h = n + 2\ninput x[m, h]\nz = sum[k](x[h: n + k])\n"
                "output z[m, n]\n"));
  expect_agreement(
      with_dims("input x[n, m]\nz = x[n: n - 1 pad 0] + x[n: n + 1 pad 7]\n"
                "output z[n, m]\n"));
  expect_agreement(
      with_dims("dim h = 2*n + 1\ninput x[h]\nz = x[h: 2*n + 1 pad -1]\n"
                "output z[n]\n"));
  expect_agreement(
      with_dims("dim h = (n + 3) // 4\ninput x[h, m]\nz = x[h: n // 4] * f32(n % 4)\n"
                "output z[n, m]\n"));
  expect_agreement(
      with_dims("dim h = 3*n + 7\ninput x[h]\nz = x[h: 3*n + n % 2 * 2 - (1 - m % 2) + k + 1]\n"
                "output z[n, m, k]\n"));
  expect_agreement(
      with_dims("input x[m, n]\ninput b[m, n] : bool\nz = where(b, x, -x)\n"
                "output z[m, n]\nw = b and x > 0\noutput w[m, n]\n"));
}

INSTANTIATE_TEST_SUITE_P(Awkward, Extents, testing::Values(1, 2, 7, 16, 17, 67, 131));

// Programs cannot be written with empty dims; shards of them can have some.
TEST(Kernels, EmptyExtentsGiveIdentities) {
  const Dim none("none", 0), some("some", 5);
  const Tensor x = make_tensor("x", {some, none}, DType::f32, Role::input);
  Compiler compiler = plain_compiler();
  for (const Reduction op : {Reduction::sum, Reduction::prod, Reduction::max, Reduction::min}) {
    const Tensor r = make_definition("r", make_reduce(op, {none}, Expr(x)));
    const KernelGroup group = make_group({nest_of(r)}, {r});
    const Kernel kernel = compiler.compile(group);
    KernelRunner runner({{x, make_array(DType::f32, {5, 0})}});
    EXPECT_EQ(runner.run(kernel, group), 0);
    for (size_t i = 0; i < 5; ++i)
      EXPECT_EQ(runner[r].get(i), identity(reduce_op(op), DType::f32).number()) << name_of(op);
  }
  const Tensor map = make_definition("map", Expr(x) + 1.0, {}, {some, none});
  EXPECT_EQ(compiler.compile(make_group({nest_of(map)}, {map})).chunks, 0);
}

TEST(Kernels, NanInfinityAndSignedZeroSurvive) {
  const Program p =
      normalize(parse("program p\ndim n = 37\ninput x[n]\na = max[n](x)\n"
                      "b = min[n](x)\nc = max(x, 0 - 1)\nd = -x\n"
                      "output a\noutput b\noutput c[n]\noutput d[n]\n"));
  Array x = make_array(DType::f32, {37});
  x.set(5, -std::numeric_limits<double>::infinity());
  x.set(6, std::numeric_limits<double>::infinity());
  Compiler compiler = plain_compiler();
  EXPECT_EQ(run_and_compare(p, {{"x", x}}, compiler), "");
  for (size_t where : {size_t{0}, size_t{17}, size_t{36}}) {
    Array y = x;
    y.set(where, std::nan(""));
    EXPECT_EQ(run_and_compare(p, {{"x", y}}, compiler), "") << where;
  }
}

TEST(Kernels, AGatherOutsideIsReportedAndReadsNothing) {
  const Program p =
      normalize(parse("program p\ndim v = 9, t = 21, d = 19\ninput table[v, d]\n"
                      "input token[t] : i32\ny = table[v: token]\n"
                      "output y[t, d]\n"));
  const KernelGroup group = make_group(nests_of(p), {p.outputs()[0].value});
  Compiler compiler = plain_compiler();
  const Kernel kernel = compiler.compile(group);
  for (const int64_t bad : {int64_t{9}, int64_t{-1}, int64_t{2000000000}}) {
    std::map<Tensor, Array> given;
    for (const Tensor& tensor : p.inputs()) {
      Array array = make_array(tensor.type(), extents(tensor.dims()));
      if (tensor.name() == "token") array.set(20, static_cast<double>(bad));
      given.emplace(tensor, array);
    }
    KernelRunner runner(std::move(given));
    const int64_t fault = runner.run(kernel, group);
    ASSERT_NE(fault, 0);
    const std::string text = describe_fault(kernel, fault);
    const std::string wanted = "the index `token` is " + std::to_string(bad) +
                               " where it reads `table` along `v`; allowed is 0 to 8";
    EXPECT_NE(text.find(wanted), std::string::npos) << text;
  }
}

TEST(Kernels, TheSideOfAWhereThatIsNotTakenReportsNoFault) {
  expect_agreement(
      "program p\ndim v = 9, t = 21\ninput table[v]\ninput token[t] : i32\n"
      "y = where(token >= 0 and token < 9, table[v: token], 0 - 5)\noutput y[t]\n");
}

TEST(Kernels, AGatherInFrontOfAReductionAndItsAdjointAgree) {
  Array token = make_array(DType::i32, {21});
  for (size_t i = 0; i < 21; ++i) token.set(i, static_cast<double>(i * i % 9));
  expect_agreement(
      "program p\ndim v = 9, t = 21, d = 19\ninput g[t, d]\ninput token[t] : i32\n"
      "dtable = sum[t](where(token == v, g, 0))\noutput dtable[v, d]\n",
      {{"token", token}});
  expect_agreement(
      "program p\ndim v = 9, t = 21\ninput token[t] : i32\n"
      "count = sum[t](where(token == v, 1, 0))\noutput count[v]\n",
      {{"token", token}});
}

// The mask of the last lanes and the condition of the rows meet in one access.
TEST(Kernels, PadsAlongTwoDimsReadNothingOutside) {
  for (const int width : {9, 10, 11, 25, 57, 121})
    for (const char* type : {"f32", "f64", "i32"})
      expect_agreement(
          fmt::format("program p\ndim h = 3, w = {}\ninput x[h, w] : {}\n"
                      "d = x[h: h + 1 pad 0, w: w + 1 pad 0]\noutput d[h, w]\n",
                      width, type));
  expect_agreement(
      "program p\ndim y = 10, x = 10, oy = 8, ox = 8, ky = 3, kx = 3\ninput r[oy, ox]\n"
      "input w[ky, kx]\n"
      "di = sum[ky, kx](r[oy: y - ky pad 0, ox: x - kx pad 0] * w)\noutput di[y, x]\n");
}

TEST(Kernels, IntegerDivisionFloorsAndNeverTraps) {
  expect_agreement(
      "program p\ndim n = 81, m = 9\ninput x[n] : i32\ninput y[n] : i64\ninput z[m] : i32\n"
      "a = x // z\nb = x % z\nc = y // 3 + y % (0 - 3)\ne = i64(x) // i64(z)\n"
      "output a[n, m]\noutput b[n, m]\noutput c[n]\noutput e[n, m]\n");
}

// Of quotients small, large and beyond, by divisors of both signs, infinities and zeros.
TEST(Kernels, FloatRemaindersLieBetweenZeroAndTheDivisor) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> x = {5, -5, 7.5, -7.5, 1e9, -1e9, 3e38, 1e-30, -1e-30, 0, inf, 0.3};
  const std::vector<double> y = {3, -3, 0.3, -2, 6.2831853, inf, -inf, 1e-3, 3e38, 0, 0.1};
  for (const DType type : {DType::f32, DType::f64}) {
    Array a = make_array(type, {static_cast<int64_t>(x.size())});
    Array b = make_array(type, {static_cast<int64_t>(y.size())});
    for (size_t i = 0; i < x.size(); ++i) a.set(i, x[i]);
    for (size_t i = 0; i < y.size(); ++i) b.set(i, y[i]);
    const Program program =
        parse(fmt::format("program p\ndim n = {}, m = {}\ninput a[n] : {}\ninput b[m] : {}\n"
                          "rest = a % b\nwhole = a // b\noutput rest[n, m]\noutput whole[n, m]\n",
                          x.size(), y.size(), name_of(type), name_of(type)));
    Compiler compiler = plain_compiler();
    // Relative to each value, not to the largest: ours are as exact as the interpreter's.
    EXPECT_EQ(run_and_compare(program, {{"a", a}, {"b", b}}, compiler, {.tolerance = 0}), "");
    Arrays none;
    const Arrays outputs = interpret(program, {{"a", a}, {"b", b}}, none);
    for (size_t i = 0; i < x.size(); ++i)
      for (size_t j = 0; j < y.size(); ++j) {
        double wanted = std::fmod(a.get(i), b.get(j));
        if (wanted != 0 && (wanted < 0) != (b.get(j) < 0)) wanted += b.get(j);
        if (type == DType::f32) wanted = static_cast<float>(wanted);
        const double found = outputs.at("rest").get(i * y.size() + j);
        EXPECT_TRUE(found == wanted || (std::isnan(found) && std::isnan(wanted)))
            << a.get(i) << " % " << b.get(j) << " is " << found << ", not " << wanted;
      }
  }
}

TEST(Kernels, FunctionsOfBothFloatTypes) {
  for (const char* type : {"f32", "f64"})
    for (const char* f : {"exp(x)", "log(x + 9)", "sqrt(x + 4)", "tanh(x)", "sigmoid(x)", "erf(x)",
                          "sin(x) + cos(x)", "floor(x / 3)", "ceil(x / 3)", "round(x / 2)",
                          "(x + 5) ** 1.5", "x % 3", "x // 3", "f32(i32(x))", "f64(x > 1)"})
      expect_agreement(
          fmt::format("program p\ndim n = 37\ninput x[n] : {}\ny = {}\noutput y[n]\n", type, f));
}

}  // namespace
}  // namespace tessera
