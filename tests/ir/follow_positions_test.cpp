#include "ir/follow_positions.h"

#include <gtest/gtest.h>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

constexpr const char* kTables = R"(program p
dim e = 7, n = 4, d = 2
input to[e] : i32
input x[e]
input y[n, d]
input w[n]
)";

// The normal form's last definition. That its values are those of the program as it is written is
// checked for positions inside and outside of `n`.
std::string followed(const std::string& lines) {
  const Program program = parse(kTables + lines + "output z\n");
  const Program normal = normalize(program);
  Arrays inputs;
  for (const Tensor& input : program.inputs()) {
    Array array = make_array(input.type(), {});
    array = make_array(input.type(), extents(input.dims()));
    for (size_t i = 0; i < array.size(); ++i)
      array.set(i,
                input.name() == "to" ? static_cast<double>(i) - 1 : 0.5 * static_cast<double>(i));
    inputs.emplace(input.name(), array);
  }
  Arrays none;
  const Array written = interpret(program, inputs, none).at("z");
  const Array found = interpret(normal, inputs, none).at("z");
  EXPECT_EQ(found.shape, written.shape);
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_DOUBLE_EQ(found.get(i), written.get(i)) << lines << print(normal);
  return print(normal.definitions().back().value());
}

TEST(FollowPositions, ReadsWhereAnEquationSays) {
  EXPECT_EQ(followed("z = sum[n](where(to == n, y, 0.0))\n"), "y[n: to pad 0.0]");
  EXPECT_EQ(followed("z = sum[n](where(n == to, w * y, 0.0))\n"),
            "w[n: to pad 0.0] * y[n: to pad 0.0]");
  EXPECT_EQ(followed("z = sum[e, n](where(to == n, x * y, 0.0))\n"),
            "sum[e](x * y[n: to pad 0.0])");
  EXPECT_EQ(followed("z = sum[n](where(n == e // 2, y, 0.0))\n"), "y[n: e // 2]");
  EXPECT_EQ(followed("z = max[n](where(to == n, y, -inf))\n"),
            "where(to >= 0 and to < 4, y[n: to pad 0.0], -inf)");
}

TEST(FollowPositions, SeesOneHotPartsThatHaveANameOrAreConverted) {
  EXPECT_EQ(followed("z = sum[n](f32(to == n) * y)\n"), "y[n: to pad 0.0]");
  EXPECT_EQ(followed("hot = where(to == n, 1.0, 0.0)\nz = sum[n](hot * y)\n"), "y[n: to pad 0.0]");
  EXPECT_EQ(followed("hot = f32(to == n) * 2.0\nz = sum[n](hot * y)\n"), "2.0 * y[n: to pad 0.0]");
}

TEST(FollowPositions, LeavesAloneWhatNoEquationDecides) {
  for (const char* lines :
       {"z = sum[n](where(to <= n, y, 0.0))\n", "z = sum[n](where(to == n, y, 1.0))\n",
        "z = prod[n](where(to == n, y, 0.0))\n",
        "hot = where(to == n, 1.0, 2.0)\nz = sum[n](hot * y)\n"})
    EXPECT_NE(followed(lines).find("[n]("), std::string::npos) << lines;
}

// Each place receives some values: a scatter, which codegen makes.
TEST(FollowPositions, LeavesScattersAlone) {
  EXPECT_EQ(followed("z = sum[e](where(to == n, x, 0.0))\n"), "sum[e](where(to == n, x, 0.0))");
}

}  // namespace
}  // namespace tessera
