#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "codegen/fuse.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// The f32 output `y` of a program, computed by kernels.
Array computed(const std::string& text, const std::map<std::string, Array>& inputs) {
  const Program program = normalize(parse("program p\n" + text));
  Compiler compiler = plain_compiler();
  std::map<Tensor, Array> given;
  for (const Tensor& input : program.inputs()) given.emplace(input, inputs.at(input.name()));
  KernelRunner runner(std::move(given));
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  const std::vector<KernelGroup> groups = fuse(nests_of(program), needed);
  const std::vector<Kernel> kernels = compiler.compile(groups);
  for (size_t i = 0; i < groups.size(); ++i) runner.run(kernels[i], groups[i]);
  return runner[program.outputs()[0].value];
}

Array filled(const std::vector<int64_t>& shape, double low, double high) {
  Array array = make_array(DType::f32, shape);
  auto* values = reinterpret_cast<float*>(array.data.data());
  for (size_t i = 0; i < array.size(); ++i)
    values[i] = static_cast<float>(low + (high - low) * uniform_value(7, 0, i));
  return array;
}

double at(const Array& array, size_t i) {
  return reinterpret_cast<const float*>(array.data.data())[i];
}

// Sums of `count` numbers, with the reduced dim in every position, against f64. One running sum of
// f32 is off by 5e-4, 5e-3 and 6.5e-2 after 10^6, 4 * 10^6 and 10^7 of these numbers.
class LongSums : public testing::TestWithParam<int64_t> {};

TEST_P(LongSums, AreAccurateInEveryPosition) {
  const int64_t n = GetParam();
  struct Position {
    const char* dims;
    int64_t before, after;
  };
  for (const Position& p : std::initializer_list<Position>{
           {"n", 1, 1}, {"n, c", 1, 2}, {"b, n", 2, 1}, {"b, n, c", 2, 3}}) {
    std::vector<int64_t> shape = {n};
    if (p.before > 1) shape.insert(shape.begin(), p.before);
    if (p.after > 1) shape.push_back(p.after);
    const Array x = filled(shape, 250, 320);
    const Array y =
        computed(fmt::format("dim b = {}, n = {}, c = {}\ninput x[{}]\ny = sum[n](x)\noutput y\n",
                             p.before, n, p.after, p.dims),
                 {{"x", x}});
    for (int64_t b = 0; b < p.before; ++b)
      for (int64_t c = 0; c < p.after; ++c) {
        double wanted = 0;
        for (int64_t i = 0; i < n; ++i)
          wanted += at(x, static_cast<size_t>((b * n + i) * p.after + c));
        EXPECT_NEAR(at(y, static_cast<size_t>(b * p.after + c)), wanted, 3e-7 * wanted)
            << p.dims << " " << n;
      }
  }
}

TEST_P(LongSums, OfProductsAreAccurate) {
  const int64_t n = GetParam() / 4;
  const Array x = filled({n, 4}, 1, 2), w = filled({n, 5}, 1, 2);
  const Array y = computed(
      fmt::format("dim n = {}, i = 4, j = 5\ninput x[n, i]\ninput w[n, j]\ny = sum[n](x * w)\n"
                  "output y[i, j]\n",
                  n),
      {{"x", x}, {"w", w}});
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 5; ++j) {
      double wanted = 0;
      for (int64_t k = 0; k < n; ++k)
        wanted += at(x, static_cast<size_t>(k) * 4 + i) * at(w, static_cast<size_t>(k) * 5 + j);
      EXPECT_NEAR(at(y, i * 5 + j), wanted, 3e-6 * wanted);
    }
}

TEST_P(LongSums, OfEqualNumbersAreAccurate) {
  const int64_t n = GetParam();
  const double tenth = static_cast<float>(0.1);
  const std::string start = fmt::format("dim n = {}\ninput x[n]\n", n);
  const std::map<std::string, Array> inputs = {{"x", filled({n}, 0.1, 0.1)}};
  const std::string mean = "y = mean[n](x)\noutput y\n";
  const std::string running =
      fmt::format("run = cumsum[n](x)\ny = run[n: {}] / {}.0\noutput y\n", n - 1, n);
  for (const std::string& body : {mean, running})
    EXPECT_NEAR(at(computed(start + body, inputs), 0), tenth, 1e-6 * tenth) << body;
}

// The adjoint of a gather adds to few places: in one piece, and beside a dim that lanes run along.
TEST_P(LongSums, OfSegmentsAreAccurate) {
  const int64_t n = GetParam(), segments = 3;
  Array to = make_array(DType::i32, {n});
  auto* targets = reinterpret_cast<int32_t*>(to.data.data());
  for (int64_t i = 0; i < n; ++i) targets[i] = static_cast<int32_t>(i * 7919 % segments);
  for (const int64_t columns : {1, 2}) {
    const Array x = filled({n, columns}, 250, 320);
    const Array y =
        computed(fmt::format("dim n = {}, s = {}, c = {}\ninput x[n, c]\ninput to[n] : i32\n"
                             "y = sum[n](where(to == s, x, 0))\noutput y[s, c]\n",
                             n, segments, columns),
                 {{"x", x}, {"to", to}});
    std::vector<double> wanted(static_cast<size_t>(segments * columns), 0);
    for (int64_t i = 0; i < n * columns; ++i)
      wanted[static_cast<size_t>(targets[i / columns] * columns + i % columns)] +=
          at(x, static_cast<size_t>(i));
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(at(y, i), wanted[i], 3e-7 * wanted[i]) << n << " x " << columns;
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, LongSums, testing::Values(1000000, 10000000));

TEST(LongSums, KeepInfinitiesAndNaN) {
  for (const double special :
       {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    Array x = filled({5000}, 1, 2);
    x.set(1234, special);
    const double y =
        at(computed("dim n = 5000\ninput x[n]\ny = sum[n](x)\noutput y\n", {{"x", x}}), 0);
    EXPECT_TRUE(std::isnan(special) ? std::isnan(y) : y == special) << y;
  }
}

TEST(Means, OfEqualNumbersAreThatNumber) {
  for (int64_t n : {3, 41, 49, 100, 127, 1000}) {
    const Array y = computed(fmt::format("dim n = {}\ninput x[n]\ny = mean[n](x)\noutput y\n", n),
                             {{"x", filled({n}, 1, 1)}});
    EXPECT_EQ(at(y, 0), 1) << n;
  }
}

}  // namespace
}  // namespace tessera
