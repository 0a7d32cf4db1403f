#include "launcher/run_folder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

TEST(RunFolder, NumbersRunsAndKeepsOldOnes) {
  const TempFolder folder;
  const std::string dir = folder / "runs/quick/";
  const RunFolder first = RunFolder::create(dir);
  EXPECT_EQ(first.path(), folder / "runs/quick");
  first.write("config.yaml", "one\n");
  const RunFolder second = RunFolder::create(dir);
  EXPECT_EQ(second.path(), folder / "runs/quick-2");
  EXPECT_EQ(RunFolder::create(dir).path(), folder / "runs/quick-3");
  EXPECT_EQ(read_text(first.file("config.yaml")), "one\n");
}

TEST(RunFolder, TakesAnEmptyFolderAsItIs) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "mine");
  EXPECT_EQ(RunFolder::create(folder / "mine").path(), folder / "mine");
}

TEST(RunFolder, SaysWhyItCannotBeMade) {
  const TempFolder folder;
  folder.write("file", "");
  EXPECT_EQ(message_of<DeviceError>([&] { RunFolder::create(folder / "file/run"); }),
            folder / "file/run" + ": cannot make the folder above it: Not a directory");
}

TEST(RunFolder, AppendsMetricsAsTheyCome) {
  const TempFolder folder;
  RunFolder run = RunFolder::create(folder / "run");
  run.append_metrics(R"({"step": 1})");
  EXPECT_EQ(read_text(run.file("metrics.jsonl")), "{\"step\": 1}\n");
  RunFolder moved = std::move(run);
  moved.append_metrics(R"({"step": 2})");
  EXPECT_EQ(read_text(moved.file("metrics.jsonl")), "{\"step\": 1}\n{\"step\": 2}\n");
}

TEST(RunFolder, AFullDiskIsAnErrorWithThePath) {
  const TempFolder folder;
  RunFolder run = RunFolder::create(folder / "run");
  std::filesystem::create_symlink("/dev/full", run.file("metrics.jsonl"));
  EXPECT_EQ(message_of<DeviceError>([&] { run.append_metrics("{}"); }),
            run.file("metrics.jsonl") +
                ": cannot append a line: No space left on device; free some "
                "space or choose another output.dir");
}

TEST(RunFolder, NoticesThatItIsGone) {
  namespace fs = std::filesystem;
  const TempFolder folder;
  const auto gone = [](const RunFolder& run) {
    return run.file("metrics.jsonl") +
           ": is gone: the run's folder was removed, moved or replaced while the job ran, and what "
           "it held is lost; start the job again and leave its folder";
  };
  RunFolder removed = RunFolder::create(folder / "removed");
  removed.append_metrics("{}");
  fs::remove_all(removed.path());
  EXPECT_EQ(message_of<DeviceError>([&] { removed.append_metrics("{}"); }), gone(removed));
  RunFolder moved = RunFolder::create(folder / "moved");
  moved.append_metrics("{}");
  fs::rename(moved.path(), folder / "elsewhere");
  EXPECT_EQ(message_of<DeviceError>([&] { moved.append_metrics("{}"); }), gone(moved));
  RunFolder early = RunFolder::create(folder / "early");
  fs::remove_all(early.path());
  EXPECT_EQ(message_of<DeviceError>([&] { early.append_metrics("{}"); }),
            early.file("metrics.jsonl") + ": cannot be opened: No such file or directory");
}

TEST(RunFolder, DescribesTheEnvironment) {
  const std::string json = environment_json({{"version", "1.2"}, {"llvm", "22.1"}});
  for (const std::string key :
       {"host", "system", "cores", "compiler", "time", "processor_features"})
    EXPECT_NE(json.find("\"" + key + "\""), std::string::npos) << key;
  EXPECT_NE(json.find("\"llvm\": \"22.1\""), std::string::npos);
  EXPECT_EQ(json.substr(0, 2), "{\n");
}

}  // namespace
}  // namespace tessera
