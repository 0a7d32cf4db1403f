#include "codegen/solve_guards.h"

#include <gtest/gtest.h>

#include <limits>

#include "ir/functions.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// y[i] = op over o, k with stride*o + dilation*k - before == i of x[o] * w[k], which is what the
// gradient of a strided convolution or pooling looks like.
struct Guarded {
  Program program{"guarded"};
  Guarded(Reduction op, int stride, int dilation, int before) {
    const Dim i("i", 13), o("o", 6), k("k", 3);
    const Tensor x = program.input("x", {o}), w = program.input("w", {k});
    const double outside = op == Reduction::sum   ? 0
                           : op == Reduction::max ? -std::numeric_limits<double>::infinity()
                                                  : std::numeric_limits<double>::infinity();
    const Expr meets = equal(stride * index(o) + dilation * index(k) - before, index(i));
    program.output("y", make_reduce(op, {o, k}, where(meets, x * w, outside)));
  }
  Nest nest() const { return nests_of(normalize(program)).back(); }
};

TEST(SolveGuards, LeavesTheFewestSteps) {
  const auto steps = [](const Guarded& guarded) {
    return volume(solve_guards(guarded.nest()).reduced);
  };
  EXPECT_EQ(volume(Guarded(Reduction::max, 2, 1, 0).nest().reduced), 18);
  EXPECT_EQ(steps(Guarded(Reduction::sum, 1, 1, 0)), 3);  // o = i - k
  EXPECT_EQ(steps(Guarded(Reduction::max, 2, 2, 0)), 3);  // o = (i - 2*k) // 2
  EXPECT_EQ(steps(Guarded(Reduction::min, 3, 2, 1)), 3);
  EXPECT_EQ(steps(Guarded(Reduction::max, 2, 1, 0)), 3);
  EXPECT_EQ(steps(Guarded(Reduction::min, 2, 1, 0)), 3);
}

// `where(c, x, 0) * w` is guarded, too: second derivatives of windows are such products.
TEST(SolveGuards, SeesGuardsOfFactors) {
  const Program program = parse(R"(program p
dim i = 9, o = 4, k = 3
input x[i]
input w[k]
y = sum[i, k](w * where(o + k == i, x, 0.0))
output y
)");
  const Nest solved = solve_guards(nest_of(normalize(program).get("y")));
  EXPECT_EQ(volume(solved.reduced), 3);
  Compiler compiler = plain_compiler();
  EXPECT_EQ(run_and_compare(program, random_inputs(program, 3), compiler), "");
}

// The guard of one factor does not excuse what another one reads.
TEST(SolveGuards, LeavesGuardsBesideAFactorThatMayBeReadOutside) {
  const Program program = normalize(parse(R"(program p
dim i = 8, k = 20, v = 4
input x[k]
input at[k] : i32
input t[v]
y = sum[k](where(2*i + 1 == k, x, 0.0) * t[v: at])
output y
)"));
  const Nest nest = nest_of(program.get("y"));
  EXPECT_EQ(solve_guards(nest).reduced, nest.reduced);
}

TEST(SolveGuards, KeepsTheValue) {
  Compiler compiler = plain_compiler();
  for (const Reduction op : {Reduction::sum, Reduction::max, Reduction::min})
    for (const int stride : {1, 2, 3})
      for (const int dilation : {1, 2})
        for (const int before : {0, 2}) {
          const Guarded guarded(op, stride, dilation, before);
          EXPECT_EQ(run_and_compare(guarded.program, random_inputs(guarded.program, 3), compiler),
                    "")
              << name_of(op) << " " << stride << " " << dilation << " " << before;
        }
}

}  // namespace
}  // namespace tessera
