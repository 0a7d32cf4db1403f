#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/npy.h"
#include "tests/cli/job.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kConfigs = std::string(TESSERA_SOURCE_DIR) + "/configs/";

// A short job with a small network, in a folder of the test's.
std::vector<std::string> short_run(const TestFolder& folder, const std::string& name,
                                   const std::vector<std::string>& more) {
  std::vector<std::string> words = {"run",
                                    kConfigs + "quickstart.yaml",
                                    "output.dir=" + folder.file(name),
                                    "program.hidden=[32]",
                                    "data.batch=60",
                                    "data.limit=6000",
                                    "train.epochs=1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The losses of metrics.jsonl, step by step.
std::vector<double> losses(const std::string& folder) {
  std::vector<double> found;
  std::istringstream stream(read_text(folder + "/metrics.jsonl"));
  for (std::string line; std::getline(stream, line);) {
    const nlohmann::json json = nlohmann::json::parse(line);
    if (json.contains("loss")) found.push_back(json["loss"]);
  }
  return found;
}

TEST(Run, TransportsRanksAndPinsGiveTheSameLosses) {
  const TestFolder folder;
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"alone", {"cluster.ranks=1"}},
      {"local2", {"cluster.transport=local", "cluster.ranks=2"}},
      {"mpi2", {"cluster.ranks=2"}},
      {"mpi3", {"cluster.ranks=3"}},
      {"mpi4", {"cluster.ranks=4"}},
      {"tensor", {"cluster.ranks=2", "plan.mesh={model: 2}", "plan.pins={w1: {hidden1: model}}"}},
      {"mixed",
       {"cluster.transport=local", "cluster.ranks=4", "plan.mesh={data: 2, model: 2}",
        "plan.pins={image: {batch: data}, w1: {hidden1: model}}"}}};
  std::vector<double> wanted;
  for (const auto& [name, options] : cases) {
    std::vector<std::string> words = short_run(folder, name, options);
    words.push_back("--json");
    const CommandResult result = run_tessera(words);
    ASSERT_EQ(result.code, 0) << name << "\n" << result.err;
    const nlohmann::json json = result.json();
    for (const char* key : {"accuracy", "loss", "steps", "seconds_per_step", "plan_hash", "ranks"})
      EXPECT_TRUE(json.contains(key)) << key;
    EXPECT_EQ(json["steps"], 100);
    const std::vector<double> found = losses(folder.file(name));
    ASSERT_EQ(found.size(), 100u);
    if (wanted.empty()) wanted = found;
    for (size_t s = 0; s < wanted.size(); ++s)
      EXPECT_NEAR(found[s], wanted[s], 1e-4 * wanted[s]) << name << " step " << s;
  }
  EXPECT_LT(wanted.back(), 0.8 * wanted.front());
}

TEST(Run, LeavesConfigEnvironmentPlanAndMetrics) {
  const TestFolder folder;
  const CommandResult result = run_tessera(short_run(folder, "job", {"train.steps=3"}));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* name :
       {"config.yaml", "environment.json", "plan.txt", "plan.yaml", "metrics.jsonl"})
    EXPECT_TRUE(fs::exists(folder.file("job/") + name)) << name;
  EXPECT_THAT(result.out, HasSubstr("trained 3 steps on 2 ranks"));
  // The saved config and plan run again, to the same losses.
  const CommandResult again =
      run_tessera({"run", folder.file("job/config.yaml"), "output.dir=" + folder.file("again"),
                   "plan.file=" + folder.file("job/plan.yaml")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(losses(folder.file("job")), losses(folder.file("again")));
}

TEST(Run, TrainsAUsersOwnProgram) {
  const TestFolder folder;
  const CommandResult result =
      run_tessera({"run", kConfigs + "custom.yaml", "output.dir=" + folder.file("own"),
                   "data.limit=5120", "train.epochs=1", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_GT(result.json()["accuracy"], 0.5);
}

// A text that counts: every next character follows from the one before.
TEST(Run, TrainsOnATextAndTestsOnTheRestOfIt) {
  const TestFolder folder;
  std::string text;
  for (int i = 0; i < 4000; ++i) text += static_cast<char>('a' + i % 13);
  folder.write("count.txt", text);
  folder.write("pairs.tess",
               "program pairs\ndim batch = 16, time = 3, letter = 13, next_letter = 13\n"
               "input now[batch, time] : i32\ninput after[batch, time] : i32\n"
               "param w[letter, next_letter]\n"
               "score = exp(w[letter: now])\n"
               "chance = score[next_letter: after] / sum[next_letter](score)\n"
               "loss = -mean[batch, time](log(chance))\n"
               "accuracy = mean[batch, time](where(chance > 0.5, 1.0, 0.0))\n"
               "output loss\noutput accuracy\n");
  const std::string config =
      folder.write("job.yaml",
                   "program: {file: pairs.tess}\n"
                   "data: {text: count.txt, test: 0.25, inputs: {now: text, after: next}}\n"
                   "train: {optimizer: {adam: {lr: 0.1}}, epochs: 3, seed: 4}\n");
  std::vector<double> wanted;
  for (const std::string ranks : {"1", "2"}) {
    const CommandResult result = run_tessera(
        {"run", config, "output.dir=" + folder.file(ranks), "cluster.ranks=" + ranks, "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.json()["steps"], 186);  // three times 62 batches of 999 windows
    EXPECT_GT(result.json()["accuracy"], 0.95);
    const std::vector<double> found = losses(folder.file(ranks));
    if (wanted.empty()) wanted = found;
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t s = 0; s < wanted.size(); ++s)
      EXPECT_NEAR(found[s], wanted[s], 1e-3) << ranks << " ranks, step " << s;
  }
  const CommandResult small = run_tessera(
      {"run", config, "output.dir=" + folder.file("small"), "program.dims={letter: 9}"});
  EXPECT_EQ(small.code, 2);
  EXPECT_THAT(small.err, HasSubstr("`now` indexes the dim `letter`, of extent 9, and "
                                   "count.txt has 13 different characters"));
}

TEST(Run, JoinsAnMpirunThatItIsStartedUnder) {
  const TestFolder folder;
  CommandResult result;
  SubprocessOptions options =
      tessera_command(short_run(folder, "joined", {"train.steps=3", "--json"}), result);
  std::vector<std::string> mpirun = {"mpirun", "--allow-run-as-root", "--oversubscribe", "-np",
                                     "2"};
  options.argv.insert(options.argv.begin(), mpirun.begin(), mpirun.end());
  Subprocess process(std::move(options));
  const std::optional<ExitStatus> status = process.wait(60);
  ASSERT_TRUE(status.has_value());
  ASSERT_EQ(status->code(), 0) << result.err;
  EXPECT_EQ(result.json()["ranks"], 2);
}

// A folder with a regression of `lines` on made-up data.
struct Regression : TestFolder {
  explicit Regression(const std::string& lines) {
    write("fit.tess",
          "program fit\ndim batch = 8, k = 4\ninput x[batch, k]\ninput y[batch]\n"
          "param w[k] = 1.0\nparam v[k] = 1.0\n" +
              lines);
    write_npy(file("x.npy"), random({64, 4}));
    write_npy(file("y.npy"), random({64}));
  }
  CommandResult run(const std::string& train, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {
        "run",
        write("fit.yaml",
              "program: {file: fit.tess}\ndata: {inputs: {x: x.npy, y: y.npy}}\n" + train),
        "output.dir=" + file("out")};
    words.insert(words.end(), more.begin(), more.end());
    return run_tessera(words);
  }
  static Array random(std::vector<int64_t> shape) {
    Array array = make_array(DType::f32, std::move(shape));
    for (size_t i = 0; i < array.size(); ++i)
      array.set(i, static_cast<double>(i * 37 % 19) / 19 - 0.5);
    return array;
  }
};

constexpr const char* kSquares =
    "guess = sum[k](x * w * v)\nloss = mean[batch]((guess - y) * (guess - y))\noutput loss\n";

// A count of steps, as random values take for their seed, and a running mean leave the parameters
// to the optimizer; a parameter with an update keeps it.
TEST(Run, TheOptimizerTakesTheParametersThatTheProgramLeavesToIt) {
  const Regression own(
      std::string(kSquares) +
      "state steps : i64\nstate seen\nupdate steps = steps + 1\n"
      "update seen = 0.9 * seen + 0.1 * loss\nupdate v = v - 0.05 * grad(loss, v)\n"
      "output steps\noutput seen\noutput v\noutput w\n");
  const CommandResult result = own.run("train: {optimizer: {sgd: {lr: 0.05}}, epochs: 2}\n");
  ASSERT_EQ(result.code, 0) << result.err;
  const Regression all(std::string(kSquares) + "output v\noutput w\n");
  ASSERT_EQ(all.run("train: {optimizer: {sgd: {lr: 0.05}}, epochs: 2}\n").code, 0);
  for (const std::string name : {"v.npy", "w.npy"}) {
    const Array found = read_npy(own.file("out/" + name));
    const Array wanted = read_npy(all.file("out/" + name));
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found.get(i), wanted.get(i), 1e-6);
  }
  EXPECT_THAT(read_text(own.file("out/metrics.jsonl")), HasSubstr("\"steps\":15"));
}

TEST(Run, RefusesAnOptimizerThatNothingIsLeftFor) {
  const Regression folder(
      std::string(kSquares) +
      "update w = w - 0.05 * grad(loss, w)\nupdate v = v - 0.05 * grad(loss, v)\n");
  const CommandResult result = folder.run("train: {optimizer: {sgd: {lr: 0.05}}}\n");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(
      result.err,
      HasSubstr("fit.tess:1:9: program `fit` updates every parameter that its `loss` depends "
                "on itself, and the config has a train.optimizer; remove one of the two\n"));
}

TEST(Run, KeepsOutputsWithDimsOfTheLastStep) {
  const Regression folder(std::string(kSquares) + "output guess\noutput `a/b` = w\n");
  for (const std::string ranks : {"1", "2"}) {
    const CommandResult result =
        folder.run("train: {optimizer: {sgd: {lr: 0.05}}}\n",
                   {"cluster.ranks=" + ranks, "output.dir=" + folder.file(ranks)});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out,
                HasSubstr("outputs of the last step beside them: guess.npy, a%2Fb.npy\n"));
    EXPECT_EQ(read_npy(folder.file(ranks + "/guess.npy")).shape, (std::vector<int64_t>{8}));
    EXPECT_EQ(read_npy(folder.file(ranks + "/a%2Fb.npy")).shape, (std::vector<int64_t>{4}));
  }
}

TEST(Run, StopsWhenTheLossIsNan) {
  const Regression folder(
      "guess = sum[k](x * w * v)\nloss = mean[batch](log(guess - y))\noutput loss\n");
  for (const std::string ranks : {"1", "2"}) {
    const CommandResult result =
        folder.run("train: {optimizer: {sgd: {lr: 0.05}}}\n", {"cluster.ranks=" + ranks});
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_THAT(
        result.err,
        HasSubstr("tessera: the loss is nan at step 1, so the parameters are no longer of "
                  "use; lower the learning rate, or look for a log, a root or a division of "
                  "0 in the program (train.debug=nan shows where it begins; train.nan: continue "
                  "goes on)\n"));
    EXPECT_EQ(folder
                  .run("train: {optimizer: {sgd: {lr: 0.05}}}\n",
                       {"cluster.ranks=" + ranks, "train.debug=nan"})
                  .code,
              1);
  }
  const CommandResult on =
      folder.run("train: {optimizer: {sgd: {lr: 0.05}}, nan: continue}\n", {"--json"});
  EXPECT_EQ(on.code, 0) << on.err;
  EXPECT_EQ(on.json()["nan_step"], 1);
  const std::string warning =
      "tessera: warning: output `loss` is nan at step 1, and training goes on; train.debug=nan "
      "stops where it begins\n";
  EXPECT_THAT(on.err, HasSubstr(warning));
  EXPECT_EQ(on.err.find("warning"), on.err.rfind("warning")) << "said once";
  EXPECT_EQ(on.json()["steps"], 8);
}

TEST(Run, WithDebugNanStopsWhereANanBegins) {
  // The parameters run away: w is larger in each step, until a square of it is no f32.
  const Regression folder(
      "guess = sum[k](x * w)\nsize = sum[k](w * w * w * w)\n"
      "loss = mean[batch](guess) * 0.0 + size\noutput loss\nupdate w = 1e3 * w + 0.0 * v\n"
      "update v = v - grad(loss, v)\n");
  for (const std::vector<std::string> more :
       {std::vector<std::string>{"cluster.ranks=1"},
        std::vector<std::string>{"cluster.ranks=2", "cluster.transport=local"},
        std::vector<std::string>{"cluster.ranks=2", "cluster.transport=mpi"}}) {
    std::vector<std::string> words = {"train.debug=nan", "train.epochs=5"};
    words.insert(words.end(), more.begin(), more.end());
    const CommandResult result = folder.run("", words);
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr("step 5: `"));
    EXPECT_THAT(result.err, HasSubstr("` is inf"));
    EXPECT_THAT(result.err, HasSubstr("computes it (" + folder.file("fit.tess:")));
    EXPECT_THAT(result.err, HasSubstr("`w` (1e+12 to 1e+12)"));
  }
}

TEST(Run, WarnsOnceOfAnOutputThatIsNan) {
  const Regression folder(std::string(kSquares) + "odds = log(0.0 - loss)\noutput odds\n");
  const CommandResult result = folder.run("train: {optimizer: {sgd: {lr: 0.05}}}\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("tessera: warning: output `odds` is nan at step 1, and "
                                    "training goes on; "));
  EXPECT_EQ(result.err.find("warning"), result.err.rfind("warning"));
}

TEST(Run, WritesEventsForTensorBoard) {
  const Regression folder(kSquares);
  ASSERT_EQ(folder.run("train: {optimizer: {sgd: {lr: 0.05}}}\n", {"output.tensorboard=true"}).code,
            0);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder.file("out")))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) {
      ++files;
      EXPECT_THAT(read_text(entry.path()), HasSubstr("train/loss"));
    }
  EXPECT_EQ(files, 1);
}

TEST(Run, NoticesThatItsFolderIsGone) {
  EndlessJob job({});
  fs::remove_all(job.run_folder());
  EXPECT_EQ(job.wait(30), 1);
  EXPECT_THAT(job.err(),
              HasSubstr(job.run_folder() + "/metrics.jsonl: is gone: the run's folder was "
                                           "removed, moved or replaced"));
}

TEST(Run, RefusesDataForWhatIsNoInput) {
  const Regression folder(kSquares);
  const auto error = [&](const std::string& name) {
    const CommandResult result = folder.run("train: {optimizer: {sgd: {lr: 0.05}}}\n",
                                            {"data.inputs." + name + "=" + folder.file("x.npy")});
    EXPECT_EQ(result.code, 2);
    return result.err;
  };
  EXPECT_THAT(error("z"), HasSubstr("data.inputs feeds `z`, which program `fit` does not have; its "
                                    "inputs are x, y"));
  EXPECT_THAT(error("w"), HasSubstr("data.inputs feeds `w`, which is no input of program `fit` ("));
  EXPECT_THAT(error("w"), HasSubstr("fit.tess:5:7); its inputs are x, y\n"));
}

TEST(Run, RefusesAWrongConfigWithItsPlace) {
  const TestFolder folder;
  const std::string file =
      folder.write("job.yaml", "program: {model: mlp}\ndata: {sett: fashion-mnist}\n");
  const CommandResult result = run_tessera({"run", file});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr(file + ":2:8: "));
  EXPECT_THAT(result.err, HasSubstr("did you mean `set`?"));
}

}  // namespace
}  // namespace tessera
