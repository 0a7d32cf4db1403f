#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// Each list of words on a rank of its own, under one mpirun.
CommandResult under_mpirun(const std::vector<std::vector<std::string>>& ranks) {
  CommandResult result;
  SubprocessOptions options = tessera_command({}, result);
  options.argv = {"mpirun", "--allow-run-as-root", "--oversubscribe"};
  for (const std::vector<std::string>& words : ranks) {
    if (&words != &ranks.front()) options.argv.emplace_back(":");
    options.argv.insert(options.argv.end(), {"-np", "1", TESSERA_PROGRAM});
    options.argv.insert(options.argv.end(), words.begin(), words.end());
  }
  Subprocess process(std::move(options));
  const std::optional<ExitStatus> status = process.wait(60);
  result.code = status ? status->code() : process.stop(1).code();
  return result;
}

TEST(Agreement, RanksThatEvaluateOtherProgramsStop) {
  const TestFolder folder;
  const std::string head = "program p\ndim a = 6\ny = sum[a](";
  const std::string one = folder.write("one.tess", head + "sin(f32(a)))\noutput y\n");
  const std::string two = folder.write("two.tess", head + "cos(f32(a)))\noutput y\n");
  const CommandResult result = under_mpirun({{"eval", one}, {"eval", two}});
  EXPECT_EQ(result.code, 3) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("the ranks do not agree about the program: rank 1 differs from "
                                    "rank 0; line 5: rank 0 has `y = sum[a](sin(f32(a)))`, rank 1 "
                                    "has `y = sum[a](cos(f32(a)))`"));
}

TEST(Agreement, RanksThatEvaluateFromOtherSeedsStop) {
  const TestFolder folder;
  const std::string file = folder.write(
      "p.tess", "program p\ndim a = 6\nparam w[a] = normal(0, 1)\ny = sum[a](w)\noutput y\n");
  const CommandResult result =
      under_mpirun({{"eval", file, "--seed", "1"}, {"eval", file, "--seed", "2"}});
  EXPECT_EQ(result.code, 3) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("do not agree about the seed: "));
  EXPECT_EQ(under_mpirun({{"eval", file}, {"eval", file}}).code, 0);
}

TEST(Agreement, RanksThatTrainInAnotherOrderStop) {
  const TestFolder folder;
  std::string text;
  for (int i = 0; i < 400; ++i) text += std::to_string(i * i) + " ";
  folder.write("text.txt", text);
  const std::string config =
      folder.write("job.yaml",
                   "program: {model: lstm, time: 4, hidden: 8}\n"
                   "data: {text: text.txt, batch: 8, inputs: {token: text, truth: next}}\n"
                   "train: {optimizer: {sgd: {lr: 0.1}}, steps: 2}\noutput: {dir: " +
                       folder.file("run") + "}\n");
  const CommandResult result =
      under_mpirun({{"run", config}, {"run", config, "data.shuffle=false"}});
  EXPECT_EQ(result.code, 3) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("do not agree about the config: rank 1 differs from rank 0; "));
  EXPECT_THAT(result.err, HasSubstr("shuffle: true"));
}

TEST(Agreement, AnMpirunOfAnotherSizeThanAskedForIsAnError) {
  const TestFolder folder;
  const std::string file = folder.write("p.tess", "program p\ny = 1.0\noutput y\n");
  const CommandResult eval = under_mpirun({{"eval", file, "--ranks", "3"}, {"eval", file}});
  EXPECT_EQ(eval.code, 2) << eval.out << eval.err;
  EXPECT_THAT(eval.err,
              HasSubstr("--ranks asks for 3 ranks, and this job was started with 2: change one"));
  const std::string config =
      folder.write("job.yaml", "program: {model: mlp}\ncluster: {ranks: 4}\n");
  const CommandResult run = under_mpirun({{"run", config}, {"run", config}});
  EXPECT_EQ(run.code, 2) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("job.yaml:2:18: cluster.ranks asks for 4 ranks"));
}

}  // namespace
}  // namespace tessera
