// What jobs compute on. A simulated GPU differs from a real one in its silicon only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "comm/nccl/simulated_nccl.h"
#include "launcher/command_line.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

const std::string kConfigs = std::string(TESSERA_SOURCE_DIR) + "/configs/";

// The losses of three steps of a config, on so many words more.
std::vector<double> losses_of(const std::string& config, const std::string& name,
                              const std::vector<std::string>& settings,
                              const std::vector<std::string>& more) {
  const TestFolder folder;
  std::vector<std::string> words = {
      "run",           kConfigs + config, "output.dir=" + folder.file(name),
      "train.steps=3", "train.epochs=1",  "--json"};
  words.insert(words.end(), settings.begin(), settings.end());
  words.insert(words.end(), more.begin(), more.end());
  const CommandResult result = run_tessera(words);
  EXPECT_EQ(result.code, 0) << name << "\n" << result.err;
  std::vector<double> found;
  std::istringstream stream(read_text(folder.file(name) + "/metrics.jsonl"));
  for (std::string line; std::getline(stream, line);) {
    const nlohmann::json json = nlohmann::json::parse(line);
    if (json.contains("loss") && json.contains("step")) found.push_back(json["loss"]);
  }
  return found;
}

void expect_same_losses(const std::string& config, const std::vector<std::string>& settings,
                        const std::vector<std::vector<std::string>>& others) {
  const std::vector<double> wanted =
      losses_of(config, "cpu", settings, {"cluster.transport=local", "cluster.ranks=1"});
  ASSERT_GE(wanted.size(), 3u);
  EXPECT_NE(wanted[0], wanted[2]);
  for (const std::vector<std::string>& more : others) {
    const std::vector<double> found = losses_of(config, "other", settings, more);
    ASSERT_GE(found.size(), 3u) << testing::PrintToString(more);
    for (size_t step = 0; step < 3; ++step)
      EXPECT_NEAR(found[step], wanted[step], 1e-4 * (1 + wanted[step]))
          << testing::PrintToString(more) << " step " << step;
  }
}

TEST(Devices, QuickstartHasTheLossesOfProcessors) {
  expect_same_losses("quickstart.yaml", {"program.hidden=[8]", "data.batch=200", "data.limit=2000"},
                     {{"--device", "simulated", "cluster.transport=local", "cluster.ranks=1"},
                      {"--device", "simulated", "cluster.transport=local", "cluster.ranks=2",
                       "cluster.collectives=nccl"},
                      {"cluster.device=simulated", "cluster.transport=mpi", "cluster.ranks=2"}});
}

TEST(Devices, TextModelsHaveTheLossesOfProcessors) {
  const TestFolder folder;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "the quick brown fox jumps over the lazy dog\n";
  const std::vector<std::string> data = {"data.text=" + folder.write("text", text), "data.test=0",
                                         "data.batch=4"};
  std::vector<std::string> transformer = {"program.time=8", "program.layers=1",
                                          "program.hidden=24"};
  transformer.insert(transformer.end(), data.begin(), data.end());
  expect_same_losses("transformer.yaml", transformer,
                     {{"--device", "simulated", "cluster.transport=local", "cluster.ranks=1"}});
  std::vector<std::string> lstm = {"program.time=6", "program.hidden=10"};
  lstm.insert(lstm.end(), data.begin(), data.end());
  expect_same_losses("lstm.yaml", lstm,
                     {{"--device", "simulated", "cluster.transport=local", "cluster.ranks=1"}});
}

// A job without an end on two simulated GPUs whose NCCL is broken by `fault` in the middle of
// training. Ends this process as the command would.
[[noreturn]] void end_with_nccl_fault(const std::string& folder, void (*fault)(int rank)) {
  std::thread([&] {
    while (read_text(folder + "/out/metrics.jsonl").size() < 500)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    fault(1);
  }).detach();
  std::vector<std::string> words = {"tessera",
                                    "run",
                                    kConfigs + "quickstart.yaml",
                                    "output.dir=" + folder + "/out",
                                    "train.epochs=100000",
                                    "program.hidden=[8]",
                                    "data.limit=2000",
                                    "cluster={device: simulated, transport: local, ranks: 2, "
                                    "collectives: nccl, timeout: 2 s}"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  _exit(run_command_line(static_cast<int>(words.size()), argv.data()));
}

TEST(DevicesDeathTest, AFaultOfNcclIsOneOfThePeersAndEndsTheJobWithCode3) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const TestFolder broken, stalled;
  EXPECT_EXIT(end_with_nccl_fault(broken.path(), break_simulated_nccl), testing::ExitedWithCode(3),
              "tessera: rank (0: all-reduce .*rank 1 failed|1: all-reduce .*): NCCL says: remote");
  EXPECT_EXIT(end_with_nccl_fault(stalled.path(), stall_simulated_nccl), testing::ExitedWithCode(3),
              "tessera: rank .*NCCL has not ended it in time");
}

TEST(Devices, SayWhatThereIs) {
  const TestFolder folder;
  const std::string program = folder.write(
      "p.tess", "program p\ndim n = 4\nparam x[n] = normal(0, 1)\ny = exp(x)\noutput y\n");
  const CommandResult wrong = run_tessera({"eval", program, "--device", "tpu"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--device is `tpu`; allowed: cpu, gpu, simulated"));
  const CommandResult doctor = run_tessera({"doctor"});
  EXPECT_THAT(doctor.out, HasSubstr("gpus"));
  const CommandResult simulated = run_tessera({"eval", program, "--device", "simulated"});
  const CommandResult here = run_tessera({"eval", program});
  EXPECT_EQ(simulated.code, 0) << simulated.err;
  EXPECT_THAT(here.out, HasSubstr("y: f32[4] = "));
  EXPECT_EQ(simulated.out, here.out);
  if (doctor.out.find("devices are cpu and simulated") == std::string::npos) return;
  const CommandResult none = run_tessera({"eval", program, "--device", "gpu"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("device gpu: there is no NVIDIA driver"));
}

}  // namespace
}  // namespace tessera
