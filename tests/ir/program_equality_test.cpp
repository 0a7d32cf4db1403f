#include <gtest/gtest.h>

#include "ir/functions.h"
#include "ir/parse.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

const char* const kBase = R"(program p
dim a = 2, b = 3
input x[a, b]
input n[a] : i32
param w[b] = normal(0, 1)
y = x * w + 1.0
z[b, a] = sum[a](y[a: a]) * f32(n[a: a])
l = sum[a, b](y)
update w = w - grad(l, w)
output y[a, b]
output z[b, a]
pin w[b: data]
)";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kBase;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ProgramEquality, HoldsForTwoReadingsOfOneText) {
  EXPECT_TRUE(parse(kBase) == parse(kBase));
}

TEST(ProgramEquality, SeesEveryDifference) {
  const Program base = parse(kBase);
  const std::vector<std::pair<std::string, std::string>> edits = {
      {"program p", "program q"},
      {"a = 2, b = 3", "a = 2, b = 4"},
      {"a = 2, b = 3", "a = 2, b = 3, c = 4"},
      {"x[a, b]", "x[b, a]"},
      {"normal(0, 1)", "normal(0, 2)"},
      {"normal(0, 1)", "0"},
      {"param w", "state w"},
      {"n[a] : i32", "n[a] : i64"},
      {"x * w + 1.0", "x * w + 2.0"},
      {"x * w + 1.0", "w * x + 1.0"},
      {"x * w + 1.0", "x * w - 1.0"},
      {"x * w + 1.0", "x[a: 1 - a] * w + 1.0"},
      {"x * w + 1.0", "x[a: a pad 0] * w + 1.0"},
      {"sum[a](y[a: a])", "max[a](y[a: a])"},
      {"sum[a, b](y)", "sum[a, b](x)"},
      {"sum[a, b](y)", "sum[b](y[a: 0])"},
      {"z[b, a] = ", "z[a, b] = "},
      {"grad(l, w)", "grad(l, w) * 2"},
      {"update w = w - grad(l, w)\n", ""},
      {"output y[a, b]", "output y[b, a]"},
      {"output y[a, b]\noutput z[b, a]", "output z[b, a]\noutput y[a, b]"},
      {"output z[b, a]", "output other[b, a] = z"},
      {"w[b: data]", "w[b: model]"},
      {"pin w[b: data]\n", ""}};
  for (const auto& [from, to] : edits) {
    const Program other = parse(with(from, to));
    EXPECT_FALSE(base == other) << from << " -> " << to;
    EXPECT_FALSE(other == base) << from << " -> " << to;
  }
}

TEST(ProgramEquality, TellsPadValuesAndConstantTypesApart) {
  const auto with_value = [](const std::string& formula) {
    return parse("program p\ndim a = 2\ninput x[a]\nv = " + formula + "\n");
  };
  EXPECT_FALSE(with_value("x[a: a pad 0]") == with_value("x[a: a pad 1]"));
  EXPECT_TRUE(with_value("x[a: a pad 1]") == with_value("x[a: a pad 1.0]"));
  EXPECT_FALSE(with_value("2") == with_value("2.0"));
  EXPECT_FALSE(with_value("f32(2)") == with_value("f64(2)"));
  EXPECT_FALSE(with_value("0.0") == with_value("-0.0"));
  EXPECT_TRUE(with_value("nan") == with_value("nan"));
}

// Dims are matched by name: which was made first does not matter where no order is written.
TEST(ProgramEquality, IgnoresTheOrderInWhichDimsWereMade) {
  const std::string rest = "input x[a, b]\nv = sum[a, b](x)\noutput v\n";
  EXPECT_TRUE(parse("program p\ndim a = 2, b = 3\n" + rest) ==
              parse("program p\ndim b = 3, a = 2\n" + rest));
}

TEST(ProgramEquality, ComparesSharedNodesOnce) {
  const auto deep = [] {
    const Dim k("k", 2);
    Program p("p");
    Expr value = p.input("x", {k});
    for (int i = 0; i < 200; ++i) value = value + value;  // 2^200 nodes written out
    p.define("v", value);
    return p;
  };
  EXPECT_TRUE(deep() == deep());
}

TEST(ProgramEquality, TellsRandomProgramsApart) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    EXPECT_TRUE(random_program(seed) == random_program(seed)) << seed;
    EXPECT_FALSE(random_program(seed) == random_program(seed + 1000)) << seed;
  }
}

}  // namespace
}  // namespace tessera
