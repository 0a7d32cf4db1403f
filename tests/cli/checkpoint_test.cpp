// Jobs that are interrupted, and go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/checkpoint.h"
#include "storage/npy.h"
#include "tests/cli/job.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A small network with dropout by a count of steps, so that random numbers have to go on, too.
class Resume : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write(
        "fit.tess",
        "program fit\ndim batch = 12, k = 7, hidden = 5\ninput x[batch, k]\n"
        "input truth[batch]\nparam w[k, hidden] = glorot()\nparam v[hidden] = normal(0, 1)\n"
        "state steps : i64\n"
        "h = where(uniform[batch, hidden](steps) < 0.8, tanh(sum[k](x * w)), 0.0)\n"
        "loss = mean[batch]((sum[hidden](h * v) - truth) ** 2.0)\n"
        "update steps = steps + 1\noutput loss\n");
    Array x = make_array(DType::f32, {100, 7}), truth = make_array(DType::f32, {100});
    for (size_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i * i % 97) / 97 - 0.5);
    for (size_t i = 0; i < truth.size(); ++i) truth.set(i, static_cast<double>(i % 5) / 5);
    write_npy(folder_.file("x.npy"), x);
    write_npy(folder_.file("truth.npy"), truth);
    folder_.write("job.yaml",
                  "program: {file: fit.tess}\ndata: {inputs: {x: x.npy, truth: truth.npy}}\n"
                  "train: {optimizer: {adam: {lr: 0.01}}, steps: 40, seed: 3}\n"
                  "cluster: {ranks: 2}\nplan: {pins: {x: {batch: data}, w: {k: data}}}\n"
                  "checkpoint: {every: 6 steps, keep: 1}\n");
  }

  std::vector<std::string> words(const std::string& name,
                                 const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"run", folder_.file("job.yaml"),
                                    "output.dir=" + folder_.file(name)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  CommandResult run(const std::string& name, const std::vector<std::string>& more) const {
    return run_tessera(words(name, more));
  }
  CommandResult good(const std::string& name, const std::vector<std::string>& more) const {
    CommandResult result = run(name, more);
    EXPECT_EQ(result.code, 0) << result.err;
    return result;
  }
  std::string checkpoints(const std::string& name) const {
    return folder_.file(name) + ".checkpoints";
  }

  std::vector<int64_t> steps(const std::string& name) const {
    std::vector<int64_t> found;
    for (const CheckpointPlace& place : list_checkpoints(checkpoints(name)))
      found.push_back(place.step);
    return found;
  }

  // All parameters and states at the end of a job, bit for bit.
  std::map<std::string, Array> state(const std::string& name) const {
    const auto file = open_tensors(checkpoints(name));
    std::map<std::string, Array> all;
    for (size_t i = 0; i < file->tensors().size(); ++i)
      all[file->tensors()[i].name] = file->read(i);
    return all;
  }

  TestFolder folder_;
};

TEST_F(Resume, HasTheBitsOfAnUninterruptedRun) {
  const CommandResult full = good("full", {});
  EXPECT_EQ(steps("full"), (std::vector<int64_t>{40, 36}));
  EXPECT_THAT(full.out, HasSubstr("checkpoints: 7 of "));
  const std::map<std::string, Array> wanted = state("full");
  EXPECT_EQ(wanted.size(), 3u + 6u);  // the program's and those of Adam
  for (const std::string& transport : {"local", "mpi"}) {
    const std::string how = "cluster.transport=" + transport;
    good(transport, {how, "train.steps=17"});
    EXPECT_EQ(steps(transport), (std::vector<int64_t>{17, 12}));
    const CommandResult more = good(transport, {how, "--resume"});
    EXPECT_THAT(more.err, HasSubstr("going on from step 17 of "));
    EXPECT_THAT(more.out, HasSubstr("trained 23 steps on 2 ranks"));
    EXPECT_EQ(state(transport), wanted) << transport;
    EXPECT_EQ(read_text(folder_.file(transport + "-2/model.safetensors")),
              read_text(folder_.file("full/model.safetensors")));
    const CommandResult done = good(transport, {how, "--resume", "--json"});
    EXPECT_EQ(done.json()["steps"], 0);
    EXPECT_EQ(done.json()["resumed"], 40);
    EXPECT_EQ(done.json()["checkpoints"]["written"], 0);
  }
}

TEST_F(Resume, GoesOnOnOtherRanksAndMeshes) {
  good("first", {"train.steps=17"});
  const std::map<std::string, Array> before = state("first");
  for (const std::vector<std::string>& other :
       {std::vector<std::string>{"cluster.ranks=1"},
        {"cluster.ranks=3"},
        {"cluster.ranks=4", "plan.pins={}", "plan.mesh={a: 2, b: 2}"}}) {
    std::vector<std::string> words = other;
    words.insert(words.end(), {"--resume", checkpoints("first"), "train.steps=17",
                               "checkpoint.dir=" + folder_.file("other.checkpoints")});
    fs::remove_all(folder_.file("other.checkpoints"));
    const CommandResult same = good("other", words);
    EXPECT_THAT(same.err, HasSubstr("not as it was then: the plan (for 2 ranks then, "));
    EXPECT_THAT(same.out, HasSubstr("nothing was left to train after step 17"));
    words.push_back("train.steps=40");
    good("other", words);
    EXPECT_EQ(state("other").at("steps").as<int64_t>()[0], 40);
  }
  EXPECT_EQ(state("first"), before);
}

TEST_F(Resume, SkipsADamagedCheckpointAndNamesIt) {
  good("full", {});
  good("job", {"train.steps=17"});
  const std::string shard = checkpoints("job") + "/step-00000017/shard-00000-of-00002.safetensors";
  std::string bytes = read_text(shard);
  bytes[bytes.size() - 3] ^= 4;
  std::ofstream(shard, std::ios::binary) << bytes;
  const CommandResult more = good("job", {"--resume"});
  EXPECT_THAT(more.err,
              HasSubstr("checkpoint of step 17 is skipped: " + shard + ": has the hash "));
  EXPECT_THAT(more.err, HasSubstr("going on from step 12 of "));
  EXPECT_TRUE(fs::exists(checkpoints("job") + "/step-00000017.damaged"));
  EXPECT_EQ(state("job"), state("full"));
}

TEST_F(Resume, MixesNoHistories) {
  good("job", {"train.steps=17"});
  const CommandResult anew = run("job", {});
  EXPECT_EQ(anew.code, 2);
  EXPECT_THAT(anew.err, HasSubstr("holds a checkpoint of step 17, and this job begins anew: add "
                                  "--resume to go on from there"));
  const CommandResult earlier = run("job", {"--resume=" + checkpoints("job") + "/step-00000012"});
  EXPECT_EQ(earlier.code, 2);
  EXPECT_THAT(earlier.err, HasSubstr("later than step 12, from which this job goes on"));
  EXPECT_THAT(run("x", {"--resume=" + folder_.file("job")}).err,
              HasSubstr("holds no whole checkpoint"));
  EXPECT_EQ(good("new", {"--resume", "train.steps=3", "--json"}).json()["steps"], 3);  // none yet
  const CommandResult lr = good("job", {"--resume", "train.optimizer.adam.lr=0.5"});
  EXPECT_THAT(lr.err, HasSubstr("not as it was then: the program"));
  const CommandResult dims = run("job", {"--resume", "program.dims={hidden: 6}"});
  EXPECT_EQ(dims.code, 2);
  EXPECT_THAT(dims.err, HasSubstr("takes f32[7, 6]; the file has f32[7, 5]"));
}

TEST_F(Resume, AFullDiskEndsTheJobAndTheOldCheckpointStays) {
  const std::vector<std::string> large = {"program.dims={hidden: 20000}", "cluster.ranks=1"};
  std::vector<std::string> all = large;
  all.push_back("train.steps=17");
  good("job", all);
  std::string line = "ulimit -f 64; exec '" + std::string(TESSERA_PROGRAM) + "'";
  for (const std::string& word : words("job", large)) line += " '" + word + "'";
  CommandResult result;
  SubprocessOptions options = tessera_command({}, result);
  options.argv = {"bash", "-c", line + " --resume"};
  EXPECT_EQ(Subprocess(std::move(options)).wait()->code(), 1);
  EXPECT_THAT(result.err,
              HasSubstr("step-00000018.writing/shard-00000-of-00001.safetensors: cannot "
                        "write "));
  EXPECT_THAT(result.err, HasSubstr("File too large"));
  EXPECT_EQ(steps("job"), (std::vector<int64_t>{17, 12}));
  good("job", {large[0], large[1], "--resume", "train.steps=18"});
  EXPECT_EQ(steps("job"), (std::vector<int64_t>{18, 17}));
}

class Interrupted : public Resume,
                    public ::testing::WithParamInterface<std::tuple<std::string, int>> {};

TEST_P(Interrupted, KeepsItsStateAndGoesOn) {
  const auto& [transport, signal] = GetParam();
  const std::string how = "cluster.transport=" + transport;
  CommandResult result;
  Subprocess job(tessera_command(
      words("job", {how, "train.steps=100000000", "checkpoint.every=1 h"}), result));
  ASSERT_TRUE(within(60, [&] {
    job.wait(0.05);
    return read_text(folder_.file("job/metrics.jsonl")).size() > 1000;
  })) << result.err;
  kill(job.pid(), signal);
  const auto status = job.wait(60);
  ASSERT_TRUE(status) << "it goes on: " << result.err;
  EXPECT_EQ(status->code(), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("with --resume to go on from there"));
  ASSERT_EQ(steps("job").size(), 1u) << result.err;
  const std::string step = std::to_string(steps("job")[0] + 5);
  good("job", {how, "--resume", "train.steps=" + step});
  good("full", {"train.steps=" + step, "checkpoint.every=1 h"});
  EXPECT_EQ(state("job"), state("full"));
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupted,
                         ::testing::Combine(::testing::Values("local", "mpi"),
                                            ::testing::Values(SIGTERM, SIGUSR1)));

// Ranks that have not started yet learn of it when they do.
TEST_F(Resume, ASignalBeforeTheRanksHaveStartedIsKept) {
  CommandResult result;
  Subprocess job(tessera_command(words("job", {"cluster.transport=mpi", "train.steps=100000000",
                                               "restart={limit: 1, backoff: 0.1 s}"}),
                                 result));
  const std::string children = fmt::format("/proc/{0}/task/{0}/children", job.pid());
  const auto mpirun_is_there = [&] {
    std::istringstream stream(read_text(children));
    for (std::string pid; stream >> pid;)
      if (read_text("/proc/" + pid + "/comm") == "mpirun\n") return true;
    return false;
  };
  while (!mpirun_is_there() && !job.wait(0.001)) {
  }
  kill(job.pid(), SIGTERM);
  const auto status = job.wait(60);
  ASSERT_TRUE(status) << "it goes on: " << result.err;
  EXPECT_EQ(status->code(), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("rank 0: stopped by signal 15 (Terminated) after step "));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("restart 1")));
  EXPECT_EQ(steps("job").size(), 1u);
}

// One rank is told, and all leave after the same step.
TEST(StopSignals, ToOneRankAreForAll) {
  EndlessJob job({"checkpoint={every: 1 h}"});
  kill(job.ranks()[1], SIGUSR1);
  EXPECT_EQ(job.wait(30), 1) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("stopped by signal 10 (User defined signal 1) after step "));
  EXPECT_EQ(list_checkpoints(job.run_folder() + ".checkpoints").size(), 1u);
  job.expect_nothing_left();
}

// Killed at any moment: what is there is whole, and the job goes on.
TEST_F(Resume, SurvivesKills) {
  const std::vector<std::string> often = {"checkpoint.every=1", "train.steps=100000000"};
  int64_t last = 0;
  for (int round = 0; round < 4; ++round) {
    CommandResult result;
    std::vector<std::string> all = words("job", often);
    all.push_back("--resume");
    Subprocess job(tessera_command(all, result));
    ASSERT_TRUE(within(60, [&] {
      job.wait(0.01 * (round + 1));
      return !steps("job").empty() && steps("job")[0] > last + 3;
    })) << result.err;
    job.signal(SIGKILL);
    job.wait();
    const CommandResult ls = run("job", {"--resume", "train.steps=1"});
    EXPECT_EQ(ls.code, 0) << ls.err;
    EXPECT_EQ(ls.err.find("skipped"), std::string::npos) << ls.err;
    last = steps("job")[0];
  }
}

}  // namespace
}  // namespace tessera
