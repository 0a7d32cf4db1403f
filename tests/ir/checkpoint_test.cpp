#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/loop.h"
#include "ir/nest.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Arrays run(const Program& program, uint64_t seed = 3) {
  Arrays state = initial_state(program, seed);
  return interpret(program, random_inputs(program, seed), state);
}

// Every way to run a program with checkpoints gives what it gives without them.
void expect_same(const std::string& text) {
  std::string plain = text;
  for (size_t at; (at = plain.find("checkpoint(")) != std::string::npos;)
    plain.replace(at, std::string("checkpoint").size(), "");
  const Program marked = parse(text), unmarked = parse(plain);
  EXPECT_FALSE(marked == unmarked);
  EXPECT_TRUE(parse(print(marked)) == marked) << print(marked);
  EXPECT_EQ(print(parse(print(marked))), print(marked));
  const Program normal = normalize(marked);
  EXPECT_TRUE(is_normal(normal)) << print(normal);
  EXPECT_TRUE(normalize(normal) == normal) << print(normal) << print(normalize(normal));
  EXPECT_TRUE(parse(print(normal)) == normal) << print(normal);
  const Arrays wanted = run(normalize(unmarked));
  const Arrays found = run(normal);
  for (const auto& [name, array] : wanted)
    for (size_t i = 0; i < array.size(); ++i)
      EXPECT_NEAR(found.at(name).get(i), array.get(i), 1e-12 * (1 + std::abs(array.get(i))))
          << name << "\n"
          << print(normal);
}

// Those that read `tensor`, in order.
std::vector<std::string> readers(const Program& normal, const std::string& tensor) {
  std::vector<std::string> found;
  for (const Tensor& each : normal.definitions())
    for (const Tensor& source : normal.sources_of(each))
      if (source.name() == tensor) found.push_back(each.name());
  return found;
}

// Those of `names` that are adjoints, or depend on one.
std::vector<std::string> backward(const Program& normal, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    const std::set<Tensor> needed = normal.ancestors({normal.get(name)});
    if (std::any_of(needed.begin(), needed.end(),
                    [](const Tensor& each) { return each.name().rfind("d_", 0) == 0; }))
      found.push_back(name);
  }
  return found;
}

const char* kLayers =
    "program layers\ndim batch = 4, a = 3, b = 5, c = 2\n"
    "input x[batch, a] : f64\nparam u[a, b] : f64 = normal(0, 1)\n"
    "param v[b, c] : f64 = normal(0, 1)\n"
    "h = checkpoint(tanh(sum[a](x * u)))\n"
    "y = sum[b](h * v)\nloss = mean[batch, c](y * y)\n"
    "du = grad(loss, u)\ndv = grad(loss, v)\noutput loss\noutput du\noutput dv\n";

TEST(Checkpoint, TheBackwardPassReadsACopy) {
  const Program normal = normalize(parse(kLayers));
  EXPECT_TRUE(normal.get("h").checkpoint() && normal.get("h_1").checkpoint());
  EXPECT_TRUE(normal.get("h_again").checkpoint() && normal.get("h_1_again").checkpoint());
  EXPECT_THAT(readers(normal, "h"), ElementsAre("y"));
  EXPECT_THAT(readers(normal, "h_1"), ElementsAre("h"));
  EXPECT_THAT(backward(normal, readers(normal, "h_again")), ElementsAre("d_v"));
  EXPECT_THAT(readers(normal, "h_1_again"), UnorderedElementsAre("h_again", "d_h_1"));
  EXPECT_FALSE(normal.get("y").checkpoint());
  expect_same(kLayers);
}

TEST(Checkpoint, AChainIsComputedAgainFromWhatIsNotMarked) {
  const std::string text =
      "program chain\ndim k = 3\nparam x[k] : f64 = normal(0, 1)\n"
      "a = sin(x)\nb = checkpoint(exp(a))\nc = checkpoint(b * b)\nd = checkpoint(tanh(c))\n"
      "loss = sum[k](d * d * a)\ndx = grad(loss, x)\noutput loss\noutput dx\n";
  const Program normal = normalize(parse(text));
  EXPECT_THAT(readers(normal, "a"), ElementsAre("b", "loss", "b_again", "d_d", "d_a"));
  EXPECT_THAT(readers(normal, "b_again"), ElementsAre("c_again", "d_b"));
  for (const std::string name : {"b", "c", "d"})
    EXPECT_THAT(backward(normal, readers(normal, name)), IsEmpty()) << name;
  expect_same(text);
}

TEST(Checkpoint, OfADefinitionMarksIt) {
  Program p("p");
  const Dim k("k", 4);
  const Tensor x = p.parameter("x", {k}, normal(0, 1), DType::f64);
  const Tensor h = p.define("h", exp(x));
  const Tensor kept = p.define("kept", checkpoint(h));
  const Tensor loss = p.define("loss", sum(k, sin(kept) * kept));
  p.output("loss", loss);
  p.output("dx", grad(loss, x));
  const Program normal_form = normalize(p);
  EXPECT_TRUE(normal_form.get("h").checkpoint() && normal_form.get("h_again").checkpoint());
  EXPECT_THAT(readers(normal_form, "h"), ElementsAre("loss"));
  EXPECT_TRUE(parse(print(p)) == p) << print(p);
  EXPECT_TRUE(normalize(normal_form) == normal_form);
  // Of an input there is nothing to compute again.
  Program q("q");
  const Tensor y = q.parameter("y", {k}, normal(0, 1), DType::f64);
  q.output("dy", grad(q.define("loss", sum(k, exp(checkpoint(y)))), y));
  for (const Tensor& each : normalize(q).definitions()) EXPECT_FALSE(each.checkpoint());
}

TEST(Checkpoint, LiftsAndStandsAnywhereInAFormula) {
  expect_same(
      "program p\ndim batch = 2, time = 3, k = 4, seen = 3\n"
      "input x[batch, time, k] : f64\nparam w[k] : f64 = normal(0, 1)\n"
      "def weights[k, seen](q) = checkpoint(exp(sum[k](q * q[time: seen])))\n"
      "s = weights[k, seen](x * w)\n"
      "y = s / checkpoint(sum[seen](s)) + 2 * checkpoint(max[k](x * w))\n"
      "mask = checkpoint(s > 1)\n"
      "loss = sum[batch, time, seen](where(mask, y * y, y)) + checkpoint(w * w)[k: 0]\n"
      "dw = grad(loss, w)\noutput loss\noutput dw\n");
}

TEST(Checkpoint, GoesThroughGradientsOfGradients) {
  const std::string text =
      "program p\ndim k = 3, j = 2\nparam x[k] : f64 = normal(0, 1)\n"
      "param w[k, j] : f64 = normal(0, 1)\n"
      "h = checkpoint(sin(sum[k](x * w)))\ninner = sum[j](h * h * h)\n"
      "dw = grad(inner, w)\nloss = sum[k, j](dw * dw * x) + sum[j](h)\n"
      "dx = grad(loss, x)\nddw = grad(loss, w)\noutput loss\noutput dx\noutput ddw\n";
  expect_same(text);
  const Program normal = normalize(parse(text));
  EXPECT_THAT(backward(normal, readers(normal, "h")), IsEmpty());
  // The first backward pass has one copy, which the second, through it, does not read.
  const std::set<Tensor> first = normal.ancestors({normal.get("loss")});
  for (const std::string& name : readers(normal, "h_again"))
    EXPECT_EQ(first.count(normal.get(name)), 1u) << name << "\n" << print(normal);
  EXPECT_FALSE(readers(normal, "h_again_2").empty());
}

TEST(Checkpoint, GoesThroughLoops) {
  const std::string text =
      "program rnn\ndim time = 5, a = 3, h = 2, g = 2\n"
      "input x[time, a] : f64\nparam wx[a, h] : f64 = normal(0, 1)\n"
      "param wh[g, h] : f64 = normal(0, 1)\n"
      "loop t over time carry s = 0.0 * sum[a](wx) collect y {\n"
      "  z = checkpoint(sum[a](x[time: t] * wx) + sum[g](s[h: g] * wh))\n"
      "  s = tanh(z)\n  y = s * z\n}\n"
      "loss = sum[time, h](y * y)\ndx = grad(loss, wx)\ndh = grad(loss, wh)\n"
      "output loss\noutput dx\noutput dh\n";
  expect_same(text);
  const Program normal = normalize(parse(text));
  EXPECT_THAT(backward(normal, readers(normal, "z")), IsEmpty()) << print(normal);
  EXPECT_FALSE(readers(normal, "z_again").empty());
}

TEST(Checkpoint, OfWhatALoopBeginsWith) {
  expect_same(
      "program p\ndim k = 3\nparam x[k] : f64 = normal(0, 1)\n"
      "loop i = 3 carry s = checkpoint(exp(x)) { s = sin(s) * x }\n"
      "loss = sum[k](s)\ndx = grad(loss, x)\noutput loss\noutput dx\n");
}

TEST(Checkpoint, MergesWithNothing) {
  const Program normal = normalize(
      parse("program p\ndim k = 3\ninput x[k]\na = exp(x)\nb = checkpoint(exp(x))\nc = exp(x)\n"
            "output a\noutput b\noutput c\n"));
  EXPECT_EQ(normal.definitions().size(), 2u);
  EXPECT_TRUE(normal.find("a") && normal.find("b"));
}

}  // namespace
}  // namespace tessera
