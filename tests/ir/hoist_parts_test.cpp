#include "ir/hoist_parts.h"

#include <gmock/gmock.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

using testing::Contains;
using testing::Each;
using testing::Not;

std::string last_of(const std::string& formula) {
  const Program normal = normalize(
      parse("program p\ndim i = 60, j = 80, k = 50\ninput a[i, k]\ninput b[k, j]\ninput c[i]\n"
            "input at[i] : i32\ny = " +
            formula + "\noutput y\n"));
  return print(normal.get("y").value());
}

TEST(HoistParts, ComputesADearPartOfAMapOnce) {
  EXPECT_EQ(last_of("tanh(a) * sigmoid(a) + b"), "y_1 + b");
  EXPECT_EQ(last_of("max[j](tanh(a) * sigmoid(a) + b)"), "max[j](y_1 + b)");
}

// A position outside of the tensor is an error in any case, unless a condition keeps it out.
TEST(HoistParts, ComputesOnceWhatReadsThroughData) {
  EXPECT_EQ(last_of("max[j](exp(a[i: at]) + b)"), "max[j](y_1 + b)");
  EXPECT_EQ(last_of("prod[k](exp(a[i: at]) * b)"), "prod[k](y_1 * b)");
  EXPECT_EQ(last_of("max[j](where(at >= 0, exp(a[i: at]), 1.0) + b)"), "max[j](y_1 + b)");
  EXPECT_EQ(last_of("where(b > 0.0, exp(a[i: at]), 1.0)"), "where(b > 0.0, exp(a[i: at]), 1.0)");
}

TEST(HoistParts, LeavesWhatKernelsComputeWhereItChanges) {
  EXPECT_EQ(last_of("a * c + b"), "a * c + b");
  EXPECT_EQ(last_of("tanh(a + b)"), "tanh(a + b)");
}

// A loop of 100 steps; `formula` is what v becomes, from v, x and y, where x depends on the step.
Program loop_of(const std::string& formula) {
  return normalize(
      parse("program p\ndim i = 300, j = i, k = i, t = 100\ninput a[i, j]\ninput b[i, j]\n"
            "input x[t, i, j]\ninput start[i, j]\n"
            "loop s over t carry v[i, j] = start {\n  v = " +
            formula + "\n}\noutput v\n"));
}

// Of the definitions that are computed once for all steps.
std::vector<std::string> formulas_outside(const Program& program) {
  std::vector<std::string> formulas;
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() == Role::definition && tensor.dims().size() == 2)
      formulas.push_back(print(tensor.value()));
  return formulas;
}

TEST(HoistParts, ComputesOnceWhatNoIterationChanges) {
  const auto once = [](const std::string& formula) { return formulas_outside(loop_of(formula)); };
  EXPECT_THAT(once("0.5 * v + a * b"), Contains("a * b"));
  EXPECT_THAT(once("v + a[i: j, j: i] * b"), Contains("a[i: j, j: i] * b"));
  EXPECT_THAT(once("sum[j]((a + b) * v)"), Contains("a + b"));
  EXPECT_THAT(once("sum[k]((a[j: k] + b[j: k]) * v[i: k])"), Not(Contains("a[j: k] + b[j: k]")))
      << "a product of matrices, which packs them anyway";
  EXPECT_THAT(once("tanh(v + a * b)"), Not(Contains("a * b"))) << "little of the whole";
  EXPECT_THAT(once("v + a"), Each(Not("a")));
}

TEST(HoistParts, LeavesInIterationsWhatIsLargerThanWhatItReads) {
  const Program outer = normalize(parse(R"(program p
dim i = 300, j = 400
input a[i]
input b[j]
loop t = 100 carry v[i, j] = 0.0 * (a + b) {
  v = 0.5 * v + (a + b)
}
output v
)"));
  for (const Tensor& tensor : outer.tensors())
    if (tensor.role() == Role::definition) EXPECT_NE(print(tensor.value()), "a + b");
}

}  // namespace
}  // namespace tessera
