#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

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

TEST(Run, RefusesAWrongConfigWithItsPlace) {
  const TestFolder folder;
  const std::string file =
      folder.write("job.yaml", "program: {model: mlp}\ndata: {sett: fashion-mnist}\n");
  const CommandResult result = run_tessera({"run", file});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr(file + ":2:8: "));
  EXPECT_THAT(result.err, HasSubstr("did you mean `set`?"));
}

std::vector<pid_t> ranks_of(const std::string& marker) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string command = read_text(entry.path() / "cmdline");
    const std::string environment = read_text(entry.path() / "environ");
    if (command.find(marker) != std::string::npos && command.rfind("mpirun", 0) != 0 &&
        environment.find("OMPI_COMM_WORLD_RANK=1") != std::string::npos)
      found.push_back(std::stoi(name));
  }
  return found;
}

int vader_files() {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/dev/shm")) {
    const std::string name = entry.path().filename();
    if (name.rfind("vader_segment", 0) == 0 || name.rfind("tessera-", 0) == 0) ++count;
  }
  return count;
}

TEST(Run, AKilledRankEndsTheJobWithCode3AndLeavesNothing) {
  const TestFolder folder;
  const int before = vader_files();
  CommandResult result;
  Subprocess process(tessera_command(
      short_run(folder, "killed", {"train.epochs=100000", "data.limit=600"}), result));
  std::vector<pid_t> victims;
  for (int i = 0; i < 200; ++i) {
    process.wait(0.1);
    if (fs::exists(folder.file("killed/metrics.jsonl"))) victims = ranks_of(folder.path());
    if (!victims.empty()) break;
  }
  ASSERT_EQ(victims.size(), 1u) << result.err;
  kill(victims[0], SIGKILL);
  const auto killed = std::chrono::steady_clock::now();
  const std::optional<ExitStatus> status = process.wait(10);
  ASSERT_TRUE(status.has_value()) << "still running after 10 s";
  EXPECT_EQ(status->code(), 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("rank 1 died: signal 9 (Killed)"));
  EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_TRUE(ranks_of(folder.path()).empty());
  EXPECT_EQ(vader_files(), before);
}

}  // namespace
}  // namespace tessera
