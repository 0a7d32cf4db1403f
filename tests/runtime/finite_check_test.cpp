#include "runtime/finite_check.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/stack_loops.h"
#include "partition/manual_plan.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

// The text with which a step of the program ends, or "" when it does not. `x` is fed to the input
// of that name.
std::string stop_of(const std::string& text, const std::vector<double>& x, int ranks = 1,
                    bool check = true) {
  const Program program = parse(text, {"p.tess", {}});
  const Program normal = stack_loops(normalize(program));
  const Plan plan = manual_plan(normal, Mesh{{{"data", ranks}}}, {});
  Array data = make_array(DType::f32, {static_cast<int64_t>(x.size())});
  for (size_t i = 0; i < x.size(); ++i) data.set(i, x[i]);
  CommOptions comm;
  comm.timeout = std::chrono::seconds(60);
  try {
    run_local_ranks(ranks, comm, [&](Communicator& world) {
      Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
      Executable step(normal, plan, compiler, world, {1, nullptr, check});
      step.initialize(1);
      step.feed("x", data);
      step.run();
    });
  } catch (const NotFinite& error) {
    return error.what();
  }
  return "";
}

TEST(FiniteCheck, NamesTensorElementTaskLineAndWhatWasRead) {
  const std::string program =
      "program p\ndim k = 4\ninput x[k]\nparam w[k] = 0.5\n"
      "odds = log(x) * w\ntotal = sum[k](odds)\noutput odds\noutput total\n";
  EXPECT_EQ(stop_of(program, {1, 2, -3, -4}),
            "`odds` is nan at [2], the first of 2 NaNs in f32[4]; task 0, odds+total, computes it "
            "(p.tess:5:1) from `x` (-4 to 2), `w` (0.5 to 0.5)");
  EXPECT_EQ(stop_of(program, {1, 2, 3, 4}), "");
  EXPECT_EQ(stop_of(program, {1, 2, -3, -4}, 1, false), "");
}

TEST(FiniteCheck, NamesAnInfinityThatIsMade) {
  const std::string program = "program p\ndim k = 3\ninput x[k]\ny = exp(x)\noutput y\n";
  EXPECT_EQ(stop_of(program, {0, 1000, 1000}),
            "`y` is inf at [1], the first of 2 infinities in f32[3]; task 0, y, computes it "
            "(p.tess:4:1) from `x` (0 to 1000)");
  EXPECT_EQ(stop_of("program p\ndim k = 2\ninput x[k]\ny = 1 / sum[k](x)\noutput y\n", {1, -1}),
            "`y` is inf; task 0, y, computes it (p.tess:4:1) from `x` (-1 to 1)");
}

TEST(FiniteCheck, LeavesInfinitiesThatAreMeant) {
  // A mask, and a softmax of what it leaves.
  EXPECT_EQ(
      stop_of("program p\ndim k = 4\ninput x[k]\nmasked = where(k < 2, x, -inf)\n"
              "e = exp(masked - max[k](masked))\ny = e / sum[k](e)\noutput masked\noutput y\n",
              {1, 2, 3, 4}),
      "");
  // What comes with the data.
  EXPECT_EQ(stop_of("program p\ndim k = 2\ninput x[k]\ny = x + 1\noutput y\n", {1, INFINITY}), "");
  // A NaN of it is none.
  EXPECT_EQ(
      stop_of("program p\ndim k = 2\ninput x[k]\ny = x - max[k](x)\noutput y\n", {1, INFINITY})
          .substr(0, 16),
      "`y` is nan at [1");
}

TEST(FiniteCheck, NamesDataThatBringsANan) {
  EXPECT_EQ(stop_of("program p\ndim k = 2\ninput x[k]\ny = x + 1\noutput y\n", {1, NAN}),
            "`x` is nan at [1], the first of 1 NaN in f32[2]; the data has it (p.tess:3:7)");
}

TEST(FiniteCheck, NamesTheIterationOfALoop) {
  const std::string text = stop_of(
      "program p\ndim k = 2\ninput x[k]\n"
      "loop i = 6 carry s = x { s = s * s * 1e10 }\noutput s\n",
      {1, 1});
  EXPECT_NE(text.find("is inf at [0], the first of 2 infinities in f32[2]; task "),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("computes it in iteration 2 (p.tess:4:"), std::string::npos) << text;
}

TEST(FiniteCheck, NamesTheRank) {
  const std::string text = stop_of(
      "program p\ndim k = 4\ninput x[k]\npin x[k: data]\ny = log(x)\ntotal = sum[k](y)\n"
      "output total\noutput y\n",
      {1, 2, -3, 4}, 2);
  EXPECT_NE(text.find("is nan at [0], the first of 1 NaN in f32[2] on rank 1; task "),
            std::string::npos)
      << text;
}

TEST(FiniteCheck, LooksAtHalfPrecisionToo) {
  EXPECT_EQ(
      stop_of("program p\ndim k = 2\ninput x[k]\ny = f16(x)\noutput y\n", {1, 1e6}).substr(0, 59),
      "`y` is inf at [1], the first of 1 infinity in f16[2]; task ");
}

}  // namespace
}  // namespace tessera
