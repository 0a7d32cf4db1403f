#include "runtime/agree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/functions.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "partition/manual_plan.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// What an error of some rank says; "" without one.
std::string error_of(int ranks, const std::function<void(Communicator&)>& body) {
  CommOptions options;
  options.timeout = std::chrono::seconds(30);
  try {
    run_local_ranks(ranks, options, body);
  } catch (const CommError& error) {
    return error.what();
  }
  return "";
}

// Rank `odd` of three says `other`, the rest say `text`.
std::string disagreement(const RankStatement& text, const RankStatement& other, int odd) {
  return error_of(3, [&](Communicator& world) {
    require_agreement(world, [&] { return std::vector{world.rank() == odd ? other : text}; });
  });
}

TEST(Agreement, NamesWhatDiffersTheRanksAndTheFirstLine) {
  const RankStatement words{"the words", "one\ntwo\nthree"};
  EXPECT_EQ(disagreement(words, words, 1), "");
  EXPECT_EQ(
      disagreement(words, {"the words", "one\nTWO\nthree"}, 2),
      "the ranks do not agree about the words: rank 2 differs from rank 0; line 2: rank 0 has "
      "`two`, rank 2 has `TWO`. Start all ranks with the same program, data, seed, settings "
      "and build of tessera");
  EXPECT_THAT(
      disagreement(words, {"the words", "one\ntwo\nthree\nfour"}, 0),
      HasSubstr("ranks 1 and 2 differ from rank 0; line 4: rank 0 has `four`, rank 1 has "));
  const std::string many(10000, 'a');
  EXPECT_LT(disagreement({"it", many + "b"}, {"it", many + "c"}, 1).size(), 700u);
}

TEST(Agreement, RanksThatPlannedDifferentlyFailAtOnce) {
  const Program step =
      normalize(parse("program p\ndim i = 8\ninput x[i]\ny = sum[i](x)\n"
                      "output y\n"));
  const Mesh mesh{{{"data", 2}}};
  const std::string error = error_of(2, [&](Communicator& world) {
    Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
    const std::vector<Pin> pins = {{"x", "i", "data", {}}};
    const Plan plan = world.rank() == 0 ? default_plan(step, mesh) : manual_plan(step, mesh, pins);
    Executable e(step, plan, compiler, world, {1, {}});
  });
  EXPECT_THAT(error, HasSubstr("do not agree about the plan: rank 1 differs from rank 0; line "));
}

struct Difference {
  const char* what;
  const char* from;  // in the text
  const char* to;    // on rank 1
};

class Differences : public ::testing::TestWithParam<Difference> {};

// Each of them would give a result, and none would notice.
TEST_P(Differences, AreFoundBeforeTheFirstStep) {
  std::string text =
      "program p\ndim a = 6, b = 4\ninput x[a]\nparam w[a] = normal(0, 0.5)\n"
      "param v[b] = 0.25\ny = sum[a](sin(x) * w)\nz = sum[b](v) + y\n"
      "output y\noutput z\n";
  std::string other = text;
  const size_t at = other.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  other.replace(at, std::string(GetParam().from).size(), GetParam().to);
  const std::string error = error_of(2, [&](Communicator& world) {
    const Program normal = normalize(parse(world.rank() == 0 ? text : other));
    Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
    Executable e(normal, default_plan(normal, Mesh{{{"data", 2}}}), compiler, world, {1, {}});
  });
  EXPECT_THAT(error,
              HasSubstr("do not agree about the program: rank 1 differs from rank 0; line "));
}

INSTANTIATE_TEST_SUITE_P(
    Programs, Differences,
    ::testing::Values(Difference{"formula", "sin", "cos"}, Difference{"extent", "b = 4", "b = 5"},
                      Difference{"initializer", "normal(0, 0.5)", "normal(0, 0.4)"},
                      Difference{"value", "0.25", "0.5"},
                      Difference{"order", "sum[b](v) + y", "y + sum[b](v)"}),
    [](const auto& info) { return info.param.what; });

// A step of two ranks, rank 1 of which is given other things.
std::string step_error(const std::function<void(Executable&, int rank)>& give) {
  const Program normal = normalize(
      parse("program p\ndim a = 6\ninput x[a]\nparam w[a] = normal(0, 0.5)\ny = sum[a](x * w)\n"
            "output y\n"));
  return error_of(2, [&](Communicator& world) {
    Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
    Executable step(normal, default_plan(normal, Mesh{{{"data", 2}}}), compiler, world, {1, {}});
    give(step, world.rank());
    step.run();
  });
}

TEST(Agreement, TheFirstStepComparesSeedsValuesAndData) {
  const Array zeros = make_array(DType::f32, {6});
  Array other = zeros;
  other.set(5, 1);
  EXPECT_EQ(step_error([&](Executable& step, int) {
              step.initialize(1);
              step.feed("x", zeros);
            }),
            "");
  EXPECT_THAT(
      step_error([&](Executable& step, int rank) {
        step.initialize(rank == 0 ? 1 : 2);
        step.feed("x", zeros);
      }),
      HasSubstr("about the seed: rank 1 differs from rank 0; line 1: rank 0 has `1`, rank 1 "
                "has `2`"));
  EXPECT_THAT(step_error([&](Executable& step, int rank) {
                step.initialize(1);
                if (rank == 1) step.set_value("w", other);
                step.feed("x", zeros);
              }),
              HasSubstr("about the values of parameters and states: rank 1 differs from rank 0; "
                        "line 1: rank 0 has `w: from the seed`, rank 1 has `w: f32[6] "));
  EXPECT_THAT(
      step_error([&](Executable& step, int rank) {
        step.initialize(1);
        step.feed("x", rank == 0 ? zeros : other);
      }),
      HasSubstr("about the data: rank 1 differs from rank 0; line 1: rank 0 has `x: f32[6] "));
  EXPECT_THAT(step_error([&](Executable& step, int rank) {
                step.initialize(1);
                if (rank == 0) step.feed("x", zeros);
              }),
              HasSubstr("rank 1 has `x: nothing`"));
}

}  // namespace
}  // namespace tessera
