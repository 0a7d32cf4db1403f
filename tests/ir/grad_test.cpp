#include <gtest/gtest.h>

#include <cmath>

#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/nest.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "tests/ir/central_difference.h"

namespace tessera {
namespace {

// Compares d loss / d parameter with central differences at every element, in f64.
void expect_gradients(Program program, const Tensor& loss, const Arrays& inputs,
                      double tolerance = 1e-6) {
  for (const Tensor& parameter : program.parameters())
    program.output("grad_" + parameter.name(), grad(loss, parameter), parameter.dims());
  program.output("value", loss);
  Arrays state = initial_state(program, 7);
  const Program normal = normalize(program);
  ASSERT_TRUE(is_normal(normal));
  const Arrays outputs = interpret(normal, inputs, state);
  for (const Tensor& parameter : program.parameters()) {
    const Array& derived = outputs.at("grad_" + parameter.name());
    for (size_t i = 0; i < derived.size(); ++i)
      EXPECT_NEAR(derived.get(i),
                  central_difference(normal, inputs, state, "value", parameter.name(), i, 1e-5),
                  tolerance)
          << parameter.name() << " element " << i;
  }
}

Array integers(const std::vector<int32_t>& values, std::vector<int64_t> shape) {
  Array array = make_array(DType::i32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) array.set(i, values[i]);
  return array;
}

TEST(Gradient, MatmulWithSharedParameter) {
  Program p("matmul");
  const Dim i("i", 3), j("j", 2), k("k", 5);
  const Tensor a = p.parameter("a", {i, k}, normal(0, 1), DType::f64);
  const Tensor b = p.parameter("b", {k, j}, normal(0, 1), DType::f64);
  const Tensor c = p.define("c", sum(k, a * b));
  const Tensor loss = p.define("loss", sum(Dims{i, j}, tanh(c) * c + sum(k, a * a)));
  expect_gradients(p, loss, {});
}

// What lies behind a stop_gradient costs nothing in the backward pass.
TEST(Gradient, LeavesOutWhatNoDerivativeReaches) {
  Program p("stopped");
  const Dim i("i", 3), j("j", 2);
  const Tensor x = p.parameter("x", {i, j}, normal(0, 1), DType::f64);
  const Tensor shift = p.define("shift", max(i, x * x));
  p.output(
      "dx",
      p.define("dx", grad(p.define("loss", sum(Dims{i, j}, exp(x - stop_gradient(shift)))), x)));
  for (const Tensor& tensor : normalize(p).definitions()) {
    EXPECT_EQ(tensor.name().find("ties"), std::string::npos) << print(normalize(p));
    EXPECT_EQ(tensor.name().find("d_shift"), std::string::npos) << print(normalize(p));
  }
}

TEST(Gradient, ScalarFunctions) {
  Program p("functions");
  const Dim i("i", 7);
  const Tensor x = p.parameter("x", {i}, normal(0.3, 1), DType::f64);
  const Expr y = exp(x) + log(x * x + 1) + sqrt(x * x + 0.5) + tanh(x) + sigmoid(x) + erf(x) +
                 sin(x) * cos(x) + abs(x) + pow(x * x + 1, 1.5) + max(x, 0.2) * min(x, 0.1) +
                 x / (2 + x * x) - where(x > 0, x, 3 * x);
  const Tensor loss = p.define("loss", sum(i, y));
  expect_gradients(p, loss, {});
}

TEST(Gradient, SoftmaxCrossEntropyThroughAGather) {
  Program p("softmax");
  const Dim batch("batch", 4), label("label", 5);
  const Tensor truth = p.input("truth", {batch}, DType::i32);
  const Tensor logits = p.parameter("logits", {batch, label}, normal(0, 1), DType::f64);
  const Expr peak = stop_gradient(max(label, logits));
  const Tensor shifted = p.define("shifted", logits - peak);
  const Expr log_sum = log(sum(label, exp(shifted)));
  const Tensor loss = p.define("loss", mean(batch, log_sum - shifted.at(label, truth)));
  expect_gradients(p, loss, {{"truth", integers({3, 0, 4, 4}, {4})}});
}

TEST(Gradient, EmbeddingSumsRepeatedRows) {
  Program p("embedding");
  const Dim word("word", 6), t("t", 8), d("d", 3);
  const Tensor token = p.input("token", {t}, DType::i32);
  const Tensor table = p.parameter("table", {word, d}, normal(0, 1), DType::f64);
  const Tensor rows = p.define("rows", table.at(word, token));
  const Tensor loss = p.define("loss", sum(Dims{t, d}, rows * rows * rows));
  expect_gradients(p, loss, {{"token", integers({0, 1, 1, 5, 5, 5, 2, 0}, {8})}});
}

TEST(Gradient, StridedConvolutionWithPadding) {
  Program p("convolution");
  const Dim x("x", 9), k("k", 3), o("o", 5);
  const Tensor image = p.parameter("image", {x}, normal(0, 1), DType::f64);
  const Tensor filter = p.parameter("filter", {k}, normal(0, 1), DType::f64);
  const Expr window = image.at(x, 2 * index(o) + index(k) - 1, 0.0);
  const Tensor out = p.define("out", sum(k, window * filter));
  const Tensor loss = p.define("loss", sum(o, out * out));
  expect_gradients(p, loss, {});
}

TEST(Gradient, MaxSharesTiesAndProdHandlesZeros) {
  Program p("extremes");
  const Dim i("i", 4), j("j", 3);
  const Tensor x = p.parameter("x", {i, j}, normal(0, 1), DType::f64);
  const Tensor loss = p.define("loss", sum(i, max(j, x) + prod(Dims{j}, x) - 2 * min(j, x * x)));
  expect_gradients(p, loss, {});

  Program q("zeros");
  const Tensor y = q.parameter("y", {j}, zeros(), DType::f64);
  const Tensor product = q.define("product", prod(Dims{j}, y));
  const Tensor peak = q.define("peak", max(j, y));
  q.output("d_product", grad(product, y));
  q.output("d_peak", grad(peak, y));
  Arrays state = {{"y", make_array(DType::f64, {3})}};
  state["y"].set(1, 2);
  state["y"].set(2, 2);
  const Arrays out = interpret(q, {}, state);
  EXPECT_EQ(out.at("d_product").get(0), 4);
  EXPECT_EQ(out.at("d_product").get(1), 0);
  EXPECT_EQ(out.at("d_peak").get(0), 0);
  EXPECT_EQ(out.at("d_peak").get(1), 0.5);
  EXPECT_EQ(out.at("d_peak").get(2), 0.5);
}

TEST(Gradient, BroadcastAndTransposedReads) {
  Program p("broadcast");
  const Dim a("a", 3), b("b", 3), c("c", 2);
  const Tensor x = p.parameter("x", {a, b}, normal(0, 1), DType::f64);
  const Tensor y = p.parameter("y", {a}, normal(0, 1), DType::f64);
  const Expr transposed = x.at(a, index(b)).at(b, index(b));
  const Expr swapped = make_read(x, {{make_index(b)}, {make_index(a)}}, std::nullopt);
  const Tensor loss =
      p.define("loss", sum(Dims{a, b, c}, swapped * x * y + cast(DType::f64, index(c)) * y) +
                           sum(b, transposed));
  expect_gradients(p, loss, {});
}

// What two tensors receive through tanh is computed once, as if the program had named its argument.
TEST(Gradient, OfADearFunctionIsSharedByWhatItReads) {
  const Program normal = normalize(
      parse("program p\ndim i = 4, j = 3\nparam a[i]\nparam b[i, j]\n"
            "y = tanh(a - b)\nloss = sum[i, j](y * y)\n"
            "a_grad = grad(loss, a)\nb_grad = grad(loss, b)\noutput a_grad\noutput b_grad\n"));
  const Program named = normalize(
      parse("program p\ndim i = 4, j = 3\nparam a[i]\nparam b[i, j]\nu = a - b\n"
            "y = tanh(u)\nloss = sum[i, j](y * y)\n"
            "a_grad = grad(loss, a)\nb_grad = grad(loss, b)\noutput a_grad\noutput b_grad\n"));
  const auto dear = [](const Program& program) {
    const std::vector<Tensor> all = program.definitions();
    return std::count_if(all.begin(), all.end(), [](const Tensor& tensor) {
      return print(tensor.value()).find("tanh") != std::string::npos;
    });
  };
  EXPECT_EQ(dear(normal), dear(named)) << print(normal);
}

TEST(Gradient, OfAGradient) {
  Program p("second");
  const Dim i("i", 3);
  const Tensor x = p.parameter("x", {i}, normal(0, 1), DType::f64);
  const Tensor energy = p.define("energy", sum(i, x * x * x * x));
  const Tensor slope = p.define("slope", grad(energy, x));
  const Tensor loss = p.define("loss", sum(i, slope * slope));
  expect_gradients(p, loss, {}, 1e-4);
}

TEST(Gradient, OfWhatTheLossDoesNotReadIsZero) {
  Program p("unrelated");
  const Dim i("i", 2);
  const Tensor x = p.parameter("x", {i}, constant(1));
  const Tensor y = p.parameter("y", {i}, constant(1));
  const Tensor loss = p.define("loss", sum(i, x));
  p.output("dy", grad(loss, y));
  Arrays state = initial_state(p, 1);
  const Arrays out = interpret(p, {}, state);
  EXPECT_EQ(out.at("dy").shape, std::vector<int64_t>{2});
  EXPECT_EQ(out.at("dy").get(0), 0);
}

// The side of a `where` that is not taken adds nothing, even where its derivative is infinite.
TEST(Grad, LooksOnlyAtTheSideThatIsTaken) {
  const Program program = parse(R"(program sides
dim k = 2
param x[k]
param y[k] = 1.0
loss = sum[k](where(x > 0, sqrt(x) * y + log(x) / x, x))
both = sum[k](where(x > 0, 0, where(x < 0, x ** 0.5, 3 * x)))
dx = grad(loss, x)
dy = grad(loss, y)
more = grad(both, x)
output dx
output dy
output more
)");
  Arrays state = initial_state(program, 1);
  const Arrays found = interpret(program, {}, state);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(found.at("dx").get(i), 1);
    EXPECT_EQ(found.at("dy").get(i), 0);
    EXPECT_EQ(found.at("more").get(i), 3);
  }
}

// A chain of definitions that is deeper than calls can nest.
TEST(Grad, FollowsTwentyThousandDefinitionsInAChain) {
  constexpr int kLong = 20'000;
  Program program("chain");
  const Dim k("k", 1);
  const Tensor x = program.parameter("x", {k}, constant(1), DType::f64);
  Tensor y = x;
  for (int i = 0; i < kLong; ++i) y = program.define("y" + std::to_string(i), 0.9999 * y);
  program.output("slope", grad(program.define("loss", sum(k, y)), x), {k});
  Arrays state = initial_state(program, 1);
  EXPECT_NEAR(interpret(normalize(program), {}, state).at("slope").get(0), std::pow(0.9999, kLong),
              1e-9);
}

}  // namespace
}  // namespace tessera
