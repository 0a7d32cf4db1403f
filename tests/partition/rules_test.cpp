#include "partition/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/structure.h"
#include "partition/linear.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

NestRules rules_of(const std::string& text, const std::string& nest) {
  return NestRules(nest_of(normalize(parse(text)).get(nest)));
}

std::vector<std::string> choices_of(const std::string& text, const std::string& nest) {
  std::vector<std::string> found;
  const NestRules rules = rules_of(text, nest);
  for (const Choice& choice : rules.choices()) found.push_back(describe(choice));
  return found;
}

// "x[i: a, k] w[k, j]  ->  y[i: a, j]" under the choices, one per axis.
std::string placement(const NestRules& rules, const Mesh& mesh,
                      const std::vector<std::string>& choices, const Axes& order = {}) {
  Assignment assignment{{}, order};
  for (const std::string& text : choices) {
    assignment.axes.push_back(parse_choice(text));
    EXPECT_TRUE(rules.legal(assignment.axes.back())) << text;
  }
  std::string found;
  for (size_t k = 0; k < rules.operands().size(); ++k) {
    const Tensor& tensor = rules.operand_tensor(k);
    found += tensor.name() + describe(rules.operand_sharding(k, assignment), tensor, mesh) + " ";
  }
  const Tensor& out = rules.nest().out;
  return found + "-> " + out.name() + describe(rules.result_sharding(assignment), out, mesh);
}

const char kMatmul[] = R"(program p
dim i = 4, k = 6, j = 8
input x[i, k]
input w[k, j]
y = sum[k](x * w)
output y[i, j]
)";

TEST(Rules, MatmulFollowsFromItsIndices) {
  EXPECT_THAT(choices_of(kMatmul, "y"), ElementsAre("-", "i", "j", "k"));
  const NestRules rules = rules_of(kMatmul, "y");
  const Mesh mesh = parse_mesh("a=2,b=2");
  EXPECT_EQ(placement(rules, mesh, {"i", "j"}), "x[i: a, k] w[k, j: b] -> y[i: a, j: b]");
  EXPECT_EQ(placement(rules, mesh, {"k", "-"}), "x[i, k: a] w[k: a, j] -> y[i, j] partial(sum: a)");
  EXPECT_EQ(placement(rules, mesh, {"i", "i"}), "x[i: a b, k] w[k, j] -> y[i: a b, j]");
  EXPECT_EQ(placement(rules, mesh, {"i", "i"}, {1, 0}), "x[i: b a, k] w[k, j] -> y[i: b a, j]");
  EXPECT_EQ(placement(rules, mesh, {"k", "k"}),
            "x[i, k: a b] w[k: a b, j] -> y[i, j] partial(sum: a b)");
}

TEST(Rules, ConvolutionNeedsItsImageWhole) {
  const NestRules rules = rules_of(R"(program p
dim y = 9, oy = 4, ky = 3, c = 4
input image[y, c]
input w[ky, c]
out = sum[ky](image[y: 2*oy + ky] * w)
output out[oy, c]
)",
                                   "out");
  const Mesh mesh = parse_mesh("a=2");
  EXPECT_EQ(placement(rules, mesh, {"oy"}), "image[y, c] w[ky, c] -> out[oy: a, c]");
  EXPECT_EQ(placement(rules, mesh, {"ky"}),
            "image[y, c] w[ky: a, c] -> out[oy, c] partial(sum: a)");
  EXPECT_EQ(placement(rules, mesh, {"c"}), "image[y, c: a] w[ky, c: a] -> out[oy, c: a]");
}

const char kEmbedding[] = R"(program p
dim v = 10, d = 4, b = 3
input table[v, d]
input token[b] : i32
input scale[b]
e = table[v: token] * scale
output e[b, d]
)";

TEST(Rules, GatherSplitsTheTable) {
  EXPECT_THAT(choices_of(kEmbedding, "e"), ElementsAre("-", "b", "d", "gather table[v]"));
  const NestRules rules = rules_of(kEmbedding, "e");
  const Mesh mesh = parse_mesh("a=2");
  EXPECT_EQ(placement(rules, mesh, {"gather table[v]"}),
            "token[b] table[v: a, d] scale[b] -> e[b, d] partial(sum: a)");
  EXPECT_EQ(placement(rules, mesh, {"b"}), "token[b: a] table[v, d] scale[b: a] -> e[b: a, d]");
}

TEST(Rules, NoGatherWhereTheBodyIsNotLinear) {
  EXPECT_THAT(choices_of(R"(program p
dim v = 10, b = 3
input table[v]
input token[b] : i32
e = exp(table[v: token])
output e[b]
)",
                         "e"),
              ElementsAre("-", "b"));
}

TEST(Rules, PartialPassesWhereTheBodyIsLinear) {
  const char text[] = R"(program p
dim i = 4, k = 6
input x[i, k]
input g[i]
s = sum[k](x)
t = sum[k](x * x)
scaled = s * g
both = s - 2 * t
square = s * s
shifted = s + g
output scaled[i]
output both[i]
output square[i]
output shifted[i]
)";
  EXPECT_THAT(choices_of(text, "scaled"), ElementsAre("-", "i", "pass s"));
  EXPECT_THAT(choices_of(text, "both"), ElementsAre("-", "i", "pass s, t"));
  EXPECT_THAT(choices_of(text, "square"), ElementsAre("-", "i"));
  EXPECT_THAT(choices_of(text, "shifted"), ElementsAre("-", "i", "pass g, s"));
}

TEST(Rules, OneTensorMayBeReadInTwoWays) {
  const NestRules rules = rules_of(R"(program p
dim i = 4, j = 4
input x[i]
y = x * x[i: j]
output y[i, j]
)",
                                   "y");
  EXPECT_EQ(placement(rules, parse_mesh("a=2"), {"i"}), "x[i: a] x[i] -> y[i: a, j]");
}

TEST(Rules, ADiagonalIsSplitInOneDim) {
  const NestRules rules = rules_of(R"(program p
dim i = 4, j = 4
input x[i, j]
y = sum[i](x[j: i])
output y
)",
                                   "y");
  EXPECT_EQ(placement(rules, parse_mesh("a=2"), {"i"}), "x[i: a, j] -> y[] partial(sum: a)");
}

TEST(Rules, APrefixHasOtherBlocksThanTheWhole) {
  const NestRules rules = rules_of(R"(program p
dim i = 8, j = 4
input x[i]
y = 2 * x[i: j]
output y[j]
)",
                                   "y");
  EXPECT_EQ(placement(rules, parse_mesh("a=2"), {"j"}), "x[i] -> y[j: a]");
}

// An index that reads at an index that reads …: comparing each read with all others took minutes.
TEST(Rules, OfADeepGatherAreFoundInOneWalk) {
  std::string index = "i";
  for (int depth = 0; depth < 900; ++depth) index = "t[k: " + index + "]";
  const std::string text =
      "program p\ndim i = 100, k = 100\nt[k] = (k + 1) % 100\ny[i] = " + index + "\noutput y\n";
  const auto begin = std::chrono::steady_clock::now();
  const Nest nest = nest_of(normalize(parse(text)).get("y"));
  const NestRules rules(nest);
  EXPECT_EQ(rules.operands().size(), 900U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  for (const Expr& read : reads_of(nest))
    EXPECT_TRUE(equivalent(rules.operands()[rules.operand_of(read)], read));
}

TEST(Rules, EqualReadsAreOneOperand) {
  const Dim i("i", 4), j("j", 4);
  Program p("p");
  const Tensor x = p.input("x", {i});
  // Equal, and not the same nodes.
  const Expr sum = make_read(x) + make_read(x) + make_read(x).at(i, make_index(j));
  const NestRules rules(nest_of(p.define("y", sum)));
  EXPECT_EQ(rules.operands().size(), 2U);
  std::vector<size_t> found;
  for (const Expr& read : reads_of(rules.nest())) found.push_back(rules.operand_of(read));
  EXPECT_THAT(found, ElementsAre(0, 0, 1));
}

TEST(Rules, MaximumIsPartialByMax) {
  const NestRules rules = rules_of(R"(program p
dim i = 4, k = 6
input x[i, k]
y = max[k](x)
output y[i]
)",
                                   "y");
  EXPECT_EQ(placement(rules, parse_mesh("a=2"), {"k"}), "x[i, k: a] -> y[i] partial(max: a)");
  EXPECT_EQ(rules.choices().size(), 3U);
}

TEST(Rules, ChoicesRoundTripAsText) {
  for (const char* text : {"-", "batch", "k#2", "gather table[v]", "pass a", "pass a, b, c"})
    EXPECT_EQ(describe(parse_choice(text)), text);
  for (const char* text : {"", "two words", "gather table", "gather [v]", "pass "}) {
    try {
      parse_choice(text);
      ADD_FAILURE() << text;
    } catch (const UserError& error) {
      EXPECT_EQ(std::string(error.what()),
                "`" + std::string(text) +
                    "` is not a choice; write `-`, a dim, `dim turning k`, `gather table[dim]`, "
                    "`pass a, b` or `pass max of a`");
    }
  }
}

TEST(Rules, LoopsOfOneNameAreTold) {
  const Dim first("k", 2);
  const Dim second("k", 3);
  const Tensor x = make_tensor("x", {first, second}, DType::f32, Role::input);
  const Nest nest = nest_of(make_definition("y", make_read(x)));
  EXPECT_EQ(loop_label(nest, first), "k");
  EXPECT_EQ(loop_label(nest, second), "k#2");
  EXPECT_EQ(find_loop(nest, "k#2"), second);
  EXPECT_EQ(find_loop(nest, "k#3"), std::nullopt);
}

// A tensor that is read where the body is not linear in it is in no set; others still are.
TEST(Linear, LooksAtNoTensorThatIsReadElsewhere) {
  const auto sets = [](const std::string& formula) {
    const Program p = normalize(parse("program p\ndim i = 4\ninput a[i]\ninput b[i]\ninput c[i]\n" +
                                      ("y = " + formula) + "\noutput y\n"));
    std::vector<std::string> found;
    for (const std::vector<Tensor>& set : linear_sets(p.get("y").value())) {
      std::string text;
      for (const Tensor& tensor : set) text += tensor.name();
      found.push_back(text);
    }
    return found;
  };
  EXPECT_THAT(sets("a * tanh(b) + a * c"), ElementsAre("a"));
  EXPECT_THAT(sets("(a + b) / c"), ElementsAre("ab"));
  EXPECT_THAT(sets("where(c > 0.0, a, b - a)"), ElementsAre("ab"));
  EXPECT_THAT(sets("a * b + tanh(a)"), ElementsAre());
}

TEST(Linear, TellsSumsOfProductsFromTheRest) {
  const Dim i("i", 3);
  const Tensor a = make_tensor("a", {i}, DType::f32, Role::input);
  const Tensor b = make_tensor("b", {i}, DType::f32, Role::input);
  const auto in_a = [&](const Read& read) { return read.tensor == a; };
  const Expr x = make_read(a);
  const Expr y = make_read(b);
  const auto apply = [](Fn fn, std::vector<Expr> args) { return make_apply(fn, std::move(args)); };
  const Expr zero = make_literal(0, false);
  const Expr mask = apply(Fn::lt, {y, zero});
  EXPECT_TRUE(linear_in(apply(Fn::mul, {x, y}), in_a));
  EXPECT_TRUE(linear_in(apply(Fn::div, {x, y}), in_a));
  EXPECT_TRUE(linear_in(apply(Fn::add, {x, apply(Fn::neg, {x})}), in_a));
  EXPECT_TRUE(linear_in(apply(Fn::where, {mask, x, zero}), in_a));
  EXPECT_TRUE(linear_in(make_cast(DType::f64, x), in_a));
  EXPECT_FALSE(linear_in(apply(Fn::where, {mask, x, y}), in_a));
  EXPECT_FALSE(linear_in(apply(Fn::where, {apply(Fn::lt, {x, y}), x, zero}), in_a));
  EXPECT_FALSE(linear_in(apply(Fn::add, {x, y}), in_a));
  EXPECT_FALSE(linear_in(apply(Fn::mul, {x, x}), in_a));
  EXPECT_FALSE(linear_in(apply(Fn::div, {y, x}), in_a));
  EXPECT_FALSE(linear_in(apply(Fn::max, {x, zero}), in_a));
  EXPECT_FALSE(linear_in(make_cast(DType::i32, x), in_a));
  EXPECT_FALSE(linear_in(y, in_a));
}

}  // namespace
}  // namespace tessera
