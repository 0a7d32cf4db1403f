#include "ir/interpret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/nest.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Array floats(const std::vector<float>& values, std::vector<int64_t> shape) {
  Array array = make_array(DType::f32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) array.set(i, values[i]);
  return array;
}

TEST(Interpret, AlignsByNameAndLifts) {
  Program p("lift");
  const Dim i("i", 2), j("j", 2), k("k", 2);
  const Tensor a = p.input("a", {i, k});
  const Tensor b = p.input("b", {k, j});
  p.output("c", sum(k, a * b), {j, i});
  Arrays state;
  const Arrays out = interpret(
      p, {{"a", floats({1, 2, 3, 4}, {2, 2})}, {"b", floats({5, 6, 7, 8}, {2, 2})}}, state);
  const Array& c = out.at("c");
  EXPECT_EQ(c.get(0), 19);
  EXPECT_EQ(c.get(1), 43);  // c[j=0, i=1]
  EXPECT_EQ(c.get(2), 22);
  EXPECT_EQ(c.get(3), 50);
}

TEST(Interpret, ReductionsAgreeWithTheirNormalForm) {
  Program p("reductions");
  const Dim i("i", 5);
  const Tensor x = p.input("x", {i});
  p.output("sum", sum(i, x));
  p.output("prod", prod(Dims{i}, x));
  p.output("max", max(i, x));
  p.output("min", min(i, x));
  p.output("argmax", argmax(i, x));
  p.output("argmin", argmin(i, x));
  p.output("any", any(Dims{i}, x > 3));
  p.output("all", all(Dims{i}, x > 0));
  const Arrays inputs = {{"x", floats({1, 4, 0.5F, 4, 2}, {5})}};
  Arrays state;
  const Arrays direct = interpret(p, inputs, state);
  EXPECT_EQ(direct.at("sum").get(0), 11.5);
  EXPECT_EQ(direct.at("prod").get(0), 16);
  EXPECT_EQ(direct.at("argmax").get(0), 1);
  EXPECT_EQ(direct.at("argmin").get(0), 2);
  EXPECT_EQ(direct.at("any").get(0), 1);
  EXPECT_EQ(direct.at("all").get(0), 1);
  const Program normal = normalize(p);
  EXPECT_TRUE(is_normal(normal));
  EXPECT_EQ(interpret(normal, inputs, state), direct);
}

TEST(Interpret, ArgmaxTakesTheFirstNan) {
  Program p("nan");
  const Dim i("i", 4);
  const Tensor x = p.input("x", {i});
  p.output("at", argmax(i, x));
  const Arrays inputs = {{"x", floats({1, NAN, 7, NAN}, {4})}};
  Arrays state;
  EXPECT_EQ(interpret(p, inputs, state).at("at").get(0), 1);
  EXPECT_EQ(interpret(normalize(p), inputs, state).at("at").get(0), 1);
}

TEST(Interpret, UpdatesTakeOldValues) {
  Program p("swap");
  const Dim i("i", 2);
  const Tensor a = p.state("a", {i}, constant(1));
  const Tensor b = p.state("b", {i}, constant(2));
  p.update(a, b);
  p.update(b, a + 10);
  Arrays state = initial_state(p, 0);
  interpret(p, {}, state);
  EXPECT_EQ(state.at("a").get(0), 2);
  EXPECT_EQ(state.at("b").get(1), 11);
  interpret(normalize(p), {}, state);
  EXPECT_EQ(state.at("a").get(0), 11);
  EXPECT_EQ(state.at("b").get(0), 12);
}

TEST(Interpret, PadsAndReportsReadsOutside) {
  Program p("shift");
  const Dim i("i", 3), v("v", 4);
  const Tensor x = p.input("x", {i});
  const Tensor table = p.input("table", {v});
  const Tensor at = p.input("at", {i}, DType::i32);
  p.output("shifted", x.at(i, index(i) - 1, 9.0));
  Arrays state;
  Arrays inputs = {{"x", floats({1, 2, 3}, {3})}};
  EXPECT_EQ(interpret(p, inputs, state).at("shifted"), floats({9, 1, 2}, {3}));

  p.output("gathered", table.at(v, at));
  inputs["table"] = floats({0, 1, 2, 3}, {4});
  inputs["at"] = make_array(DType::i32, {3});
  inputs["at"].set(2, 4);
  try {
    interpret(p, inputs, state);
    FAIL() << "a gather outside its table went unnoticed";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("where it reads `table` along `v`; allowed is 0 to 3"));
  }
}

TEST(Interpret, NamesAMissingOrIllShapedArray) {
  Program p("feeds");
  const Dim i("i", 3);
  const Tensor x = p.input("x", {i});
  p.output("y", x + 1);
  Arrays state;
  try {
    interpret(p, {}, state);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("input `x` was given no array; it takes f32[3]"));
  }
  try {
    interpret(p, {{"x", floats({1, 2}, {2})}}, state);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("was given f32[2]; it takes f32[3], dims i"));
  }
}

TEST(Normalize, IsIdempotentAndMergesEqualDefinitions) {
  Program p("cse");
  const Dim i("i", 3), k("k", 4);
  const Tensor a = p.input("a", {i, k});
  p.output("x", exp(sum(k, a)) + 1);
  p.output("y", sum(k, a) * 2);
  const Program once = normalize(p);
  EXPECT_EQ(once.definitions().size(), 3u);
  const Program twice = normalize(once);
  ASSERT_EQ(twice.definitions().size(), 3u);
  EXPECT_TRUE(once == twice);
}

TEST(Normalize, DropsWhatNothingNeeds) {
  Program p("dead");
  const Dim i("i", 3);
  const Tensor a = p.input("a", {i});
  p.define("unused", exp(a));
  p.output("y", a * 2);
  EXPECT_EQ(normalize(p).definitions().size(), 1u);
}

TEST(Random, IsPhiloxAndIndependentOfTheBox) {
  // The known-answer vectors of Random123 for philox4x32-10.
  const RandomBits zero = philox(0, 0, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5U);
  EXPECT_EQ(zero.word[1], 0xe169c58dU);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cU);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8U);

  Program p("init");
  const Dim i("i", 5), j("j", 4);
  const Tensor w = p.parameter("w", {i, j}, normal(1, 2));
  const Array all = initial_values(p, w, 3, whole(w.dims()));
  const Array part = initial_values(p, w, 3, {{2, 1}, {4, 3}});
  EXPECT_EQ(part.get(0), all.get(2 * 4 + 1));
  EXPECT_EQ(part.get(3), all.get(3 * 4 + 2));
}

// The estimate is what is counted while it runs, loops and reductions within others included.
TEST(Interpret, TellsHowFarItIs) {
  const Program program = parse(R"(program slow
dim i = 60, j = 70, k = 80
x[i, k] = f32(i + k)
y = sum[k](x * (sin(f32(j)) + max[i](x)))
loop t = 5 carry s = y { s = 0.5 * s + 0.1 * sum[i](s) }
output s[i, j]
)");
  Arrays state;
  double last = 0;
  double total = 0;
  const Arrays quiet = interpret(program, {}, state);
  const Arrays told = interpret(program, {}, state, [&](double done, double of) {
    EXPECT_GE(done, last);
    last = done;
    total = of;
  });
  EXPECT_EQ(told, quiet);
  EXPECT_GT(total, 2e6);
  EXPECT_LE(last, total);
  EXPECT_GT(last, total - 1.2e6);
}

}  // namespace
}  // namespace tessera
