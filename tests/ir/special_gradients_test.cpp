#include <gtest/gtest.h>

#include <cmath>

#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/ir/central_difference.h"

namespace tessera {
namespace {

using Values = std::map<std::string, std::vector<double>>;

Arrays arrays_of(const std::vector<Tensor>& tensors, const Values& values) {
  Arrays arrays;
  for (const Tensor& tensor : tensors) {
    const std::vector<double>& given = values.at(tensor.name());
    Array array = make_array(tensor.type(), extents(tensor.dims()));
    EXPECT_EQ(array.size(), given.size()) << tensor.name();
    for (size_t i = 0; i < given.size(); ++i) array.set(i, given[i]);
    arrays[tensor.name()] = std::move(array);
  }
  return arrays;
}

enum class Up { to_first, to_second };

// Where derivatives are easily wrong: the gradients of `loss`, and those of a weighted sum of these
// gradients, against central differences in f64 at the values given.
void expect_derivatives(const std::string& text, const Values& values, Up up = Up::to_second) {
  SCOPED_TRACE(text);
  Program program = parse("program p\n" + text + "\n");
  const Tensor loss = program.get("loss");
  std::optional<Expr> bend;
  for (const Tensor& parameter : program.parameters()) {
    const Tensor first =
        program.define("first_" + parameter.name(), grad(loss, parameter), {}, parameter.dims());
    program.output("first_" + parameter.name(), first, parameter.dims());
    Expr weight = Expr(1.5);
    for (const Dim& dim : parameter.dims())
      weight = weight + cast(DType::f64, make_index(dim)) * cast(DType::f64, make_index(dim));
    const Expr part =
        parameter.dims().empty() ? first * weight : sum(parameter.dims(), first * weight);
    bend = bend ? *bend + part : part;
  }
  const Tensor slope = program.define("slope", *bend);
  for (const Tensor& parameter : program.parameters())
    program.output("second_" + parameter.name(), grad(slope, parameter), parameter.dims());
  program.output("loss", loss);
  program.output("slope", slope);

  const Program normal = normalize(program);
  Arrays state = arrays_of(program.parameters(), values);
  const Arrays outputs = interpret(normal, {}, state);
  for (const Tensor& parameter : program.parameters())
    for (size_t i = 0; i < state.at(parameter.name()).size(); ++i)
      for (const auto& [order, of] : {std::pair{"first_", "loss"}, {"second_", "slope"}}) {
        if (up == Up::to_first && std::string(of) == "slope") continue;
        const double wanted = central_difference(normal, {}, state, of, parameter.name(), i, 1e-4);
        EXPECT_NEAR(outputs.at(order + parameter.name()).get(i), wanted,
                    1e-5 * (1 + std::abs(wanted)))
            << order << parameter.name() << " element " << i << "\n"
            << print(normal);
      }
}

TEST(SpecialGradients, ProductsWithZeros) {
  for (const std::vector<double>& v : std::vector<std::vector<double>>{
           {5, 2, 3}, {0, 2, 3}, {2, 0, 3}, {0, 0, 3}, {0, 2, 0}, {0, 0, 0}, {-1, 0.5, 2}})
    expect_derivatives("dim k = 3\nparam v[k] : f64\nloss = prod[k](v)", {{"v", v}});
}

TEST(SpecialGradients, ProductsOverSeveralDims) {
  const std::string text =
      "dim b = 2, k = 2, l = 3\nparam v[b, k, l] : f64\nloss = sum[b](prod[k, l](v))";
  expect_derivatives(text, {{"v", {1, 2, 3, 4, 5, 6, 0.5, 2, 1, -1, 3, 2}}});
  expect_derivatives(text, {{"v", {1, 2, 0, 4, 5, 6, 0.5, 0, 1, -1, 0, 2}}});
  expect_derivatives(text, {{"v", {0, 0, 0, 4, 5, 6, 0, 1, 2, 3, 4, 0}}});
}

TEST(SpecialGradients, ProductsOfFormulasThatVanish) {
  expect_derivatives(
      "dim k = 3\nparam v[k] : f64\nparam w : f64\nloss = prod[k](v * w + f64(k) - 1.0)",
      {{"v", {1, 2, -1}}, {"w", {1}}});
}

TEST(SpecialGradients, PowersAtZero) {
  const std::string x = "dim n = 4\nparam x[n] : f64\n";
  for (const char* exponent : {"0.0", "1.0", "2.0", "3.0"})
    expect_derivatives(x + "loss = sum[n](x ** " + exponent + ")", {{"x", {0, 0.5, -2, 1}}});
  expect_derivatives(x + "dim e = 4\nparam c[e] : f64\nloss = sum[n, e](c * x ** f64(e))",
                     {{"x", {0, 0.5, -2, 1}}, {"c", {3, 7, 5, 2}}});
  expect_derivatives("dim n = 3\nparam x[n] : f64\nparam y[n] : f64\nloss = sum[n](x ** y)",
                     {{"x", {1, 0.5, 2}}, {"y", {0, 1, -1.5}}});
}

TEST(SpecialGradients, TiesAndKinks) {
  const Values tie = {{"x", {2, 1, 2}}, {"y", {2, 3, 1}}};
  const std::string xy = "dim n = 3\nparam x[n] : f64\nparam y[n] : f64\n";
  expect_derivatives(xy + "loss = sum[n](max(x, y) * 2.0 + min(x, y))", tie, Up::to_first);
  expect_derivatives(xy + "loss = max[n](x) - min[n](y)", tie, Up::to_first);
  expect_derivatives("dim n = 3\nparam x[n] : f64\nloss = sum[n](max(x, 0.0) + abs(x))",
                     {{"x", {0, 1, -1}}}, Up::to_first);
}

TEST(SpecialGradients, MasksHideWhatIsNoNumber) {
  expect_derivatives(
      "dim n = 4\nparam x[n] : f64\nloss = sum[n](where(n < 2, x * x / f64(2 - n), 0.0))",
      {{"x", {0, 1, 0, 3}}});
  expect_derivatives(
      "dim n = 4\nparam x[n] : f64\nloss = sum[n](where(n > 0, log(x) + sqrt(x), x))",
      {{"x", {0, 1, 0.5, 3}}});
}

TEST(SpecialGradients, EmptyRanges) {
  expect_derivatives(
      "dim n = 4, m = 4\nparam x[m] : f64\n"
      "before = sum[m](where(m < n, x, 0.0))\nothers = prod[m](where(m > n, x, 1.0))\n"
      "loss = sum[n](before * before * others)",
      {{"x", {2, 0, 3, 0}}});
}

TEST(SpecialGradients, RemaindersAndRunningSums) {
  expect_derivatives(
      "dim n = 4\nparam x[n] : f64\nparam y[n] : f64\nloss = sum[n](x % y + (x % y) * x)",
      {{"x", {5.5, -5.5, 7.2, 0.3}}, {"y", {2.1, 2.1, -3.3, 4}}});
  expect_derivatives("dim n = 4\nparam x[n] : f64\nloss = sum[n](cumsum[n](x) ** 3.0)",
                     {{"x", {1, -1, 0, 2}}});
}

}  // namespace
}  // namespace tessera
