#include "storage/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/launcher/temp_folder.h"
#include "tests/storage/crashing_disk.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kRanks = 3;

// A checkpoint of three ranks: `w` in rows, `s` on the first rank. Every element is `value`.
Manifest write_checkpoint(const FileSystem& disk, const std::string& dir, int64_t step,
                          float value) {
  Manifest manifest;
  manifest.step = step;
  manifest.seed = 0xfedcba9876543210;
  manifest.data = {1, 2, 3, "abc"};
  manifest.program = "program p\n";
  manifest.plan = "plan";
  manifest.settings = "mesh";
  manifest.ranks = kRanks;
  manifest.written = "now";
  const std::vector<int64_t> rows = {0, 2, 3, 5};
  ManifestTensor w{"w", DType::f32, {5, 2}, true, {}};
  for (size_t rank = 0; rank < kRanks; ++rank) {
    const std::vector<float> data(static_cast<size_t>(2 * (rows[rank + 1] - rows[rank])), value);
    const std::vector<TensorToWrite> all = {
        {"w", DType::f32, {rows[rank + 1] - rows[rank], 2}, std::as_bytes(std::span(data))},
        {"s", DType::f32, {}, std::as_bytes(std::span(data).first(1))}};
    const std::vector<TensorToWrite> mine(all.begin(), all.begin() + (rank == 0 ? 2 : 1));
    const WrittenFile shard = write_shard(disk, dir, step, static_cast<int>(rank), kRanks, mine);
    manifest.shards.push_back(
        {shard_name(static_cast<int>(rank), kRanks), shard.bytes, shard.hash});
    w.pieces.push_back({rank, {{rows[rank], 0}, {rows[rank + 1], 2}}});
  }
  manifest.tensors = {w, {"s", DType::f32, {}, false, {{0, {{}, {}}}}}};
  commit_checkpoint(disk, dir, manifest);
  keep_newest(disk, dir, 2);
  return manifest;
}

// The value of the newest checkpoint, all of which must be whole.
float value_of_newest(const std::string& dir) {
  const std::vector<CheckpointPlace> places = list_checkpoints(dir);
  float newest = -1;
  for (const CheckpointPlace& place : places) {
    const auto file = open_tensors(place.folder);
    const Array w = file->read(*file->find("w")), s = file->read(*file->find("s"));
    EXPECT_EQ(w.shape, (std::vector<int64_t>{5, 2}));
    for (size_t i = 0; i < w.size(); ++i) EXPECT_EQ(w.get(i), s.get(0)) << place.folder;
    if (newest < 0) newest = static_cast<float>(s.get(0));
  }
  return newest;
}

TEST(Checkpoint, IsReadAsOneFileOfTensors) {
  const TempFolder folder;
  const Manifest made = write_checkpoint({}, folder.path(), 700, 4);
  const std::string place = folder / "step-00000700";
  const Manifest read = read_manifest(place);
  EXPECT_EQ(to_json(read), to_json(made));
  EXPECT_EQ(read.seed, 0xfedcba9876543210);
  verify_checkpoint(place, read);
  const auto file = open_tensors(folder.path());
  EXPECT_EQ(file->path(), place);
  const size_t w = *file->find("w");
  EXPECT_EQ(file->read(w, {{1, 1}, {5, 2}}).shape, (std::vector<int64_t>{4, 1}));
  EXPECT_EQ(file->read(w, {{1, 1}, {5, 2}}).get(3), 4);
  EXPECT_EQ(file->read(w, {{3, 0}, {3, 2}}).size(), 0u);
  // Every shard is a file of its own that others can read.
  EXPECT_EQ(open_tensors(place + "/shard-00001-of-00003.safetensors")->tensors()[0].shape,
            (std::vector<int64_t>{1, 2}));
}

// Killed before every single operation, with what was written surviving, and with what was not
// synced lost: the old or the new checkpoint is there, never a mixture, and work goes on.
TEST(Checkpoint, AKillAnywhereLeavesTheOldOrTheNewOne) {
  int operations = 0;
  for (const bool power_fails : {false, true}) {
    bool crashed = true;
    int saw_old = 0, saw_new = 0;
    for (int budget = 0; crashed; ++budget) {
      const TempFolder folder;
      const std::string dir = folder / "c";
      write_checkpoint({}, dir, 1, 10);
      write_checkpoint({}, dir, 2, 20);
      CrashingDisk crashing(budget);
      try {
        write_checkpoint(crashing.disk(), dir, 3, 30);
      } catch (const Crash&) {
      }
      crashed = crashing.crashed();
      if (crashed && power_fails) crashing.lose();
      const float value = value_of_newest(dir);
      EXPECT_TRUE(value == 20 || value == 30) << value << " after " << budget << " operations";
      (value == 20 ? saw_old : saw_new)++;
      EXPECT_TRUE(crashed || value == 30);
      remove_leftovers({}, dir);
      for (const auto& entry : fs::directory_iterator(dir))
        EXPECT_TRUE(fs::exists(entry.path() / "manifest.json")) << entry.path();
      write_checkpoint({}, dir, 4, 40);
      EXPECT_EQ(value_of_newest(dir), 40);
      operations = budget;
    }
    EXPECT_GT(saw_old, 15);
    EXPECT_GT(saw_new, 1);
  }
  EXPECT_EQ(operations, 27);  // a new kind of operation is one more chance to be killed
}

TEST(Checkpoint, AFullDiskIsSaidAndTheOldOneStays) {
  for (int at = 0;; ++at) {
    const TempFolder folder;
    write_checkpoint({}, folder.path(), 1, 10);
    int count = 0;
    const FileSystem full([&](FileOperation what, const std::string& path, const std::string&) {
      if ((what == FileOperation::write || what == FileOperation::create) && count++ == at)
        throw DeviceError(path + ": cannot be written: No space left on device");
    });
    const std::string text =
        message_of<DeviceError>([&] { write_checkpoint(full, folder.path(), 2, 20); });
    if (text == "no error") {
      EXPECT_GT(at, 8);
      break;
    }
    EXPECT_THAT(text, HasSubstr("step-00000002.writing"));
    EXPECT_EQ(value_of_newest(folder.path()), 10);
  }
  // The same by the system: files may have 4 bytes.
  const TempFolder folder;
  write_checkpoint({}, folder.path(), 1, 10);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string text =
      message_of<DeviceError>([&] { write_checkpoint({}, folder.path(), 2, 20); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(text, HasSubstr("shard-00000-of-00003.safetensors: cannot write"));
  EXPECT_THAT(text, HasSubstr("File too large"));
  EXPECT_EQ(value_of_newest(folder.path()), 10);
}

TEST(Checkpoint, DamageOfAnyByteIsFound) {
  const TempFolder folder;
  write_checkpoint({}, folder.path(), 1, 10);
  const std::string place = folder / "step-00000001/";
  for (const std::string name : {"manifest.json", "shard-00001-of-00003.safetensors"}) {
    const std::string good = read_text(place + name);
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (at % 2 ? 1 : 0x80));
      if (bad[at] == ' ' && good[at] == '\n') continue;  // both are space between values
      std::ofstream(place + name, std::ios::binary) << bad;
      const std::string text = message_of<UserError>([&] { open_tensors(folder.path()); });
      EXPECT_THAT(text, HasSubstr(place + name)) << at << " was " << good[at];
    }
    for (size_t at = 0; at < good.size(); at += 7) {
      std::ofstream(place + name, std::ios::binary) << good.substr(0, at);
      EXPECT_THAT(message_of<UserError>([&] { open_tensors(folder.path()); }),
                  HasSubstr(place + name));
    }
    fs::remove(place + name);
    EXPECT_NE(message_of<UserError>([&] { open_tensors(folder.path()); }), "no error");
    std::ofstream(place + name, std::ios::binary) << good;
  }
  EXPECT_EQ(value_of_newest(folder.path()), 10);
}

// Manifests with a right hash that say wrong things.
TEST(Checkpoint, RefusesManifestsThatMakeNoSense) {
  Manifest good;
  good.shards = {{"a", 1, 1}, {"b", 1, 1}};
  good.tensors = {{"w", DType::f32, {4}, true, {{0, {{0}, {2}}}, {1, {{2}, {4}}}}}};
  const auto error = [&](const std::function<void(Manifest&)>& bend) {
    Manifest bent = good;
    bend(bent);
    return message_of<UserError>([&] { parse_manifest(to_json(bent), "m"); });
  };
  EXPECT_EQ(error([](Manifest&) {}), "no error");
  const std::string damaged = "; the checkpoint is damaged";
  EXPECT_EQ(error([](Manifest& m) { m.shards[1].file = "../b"; }),
            "m: names the shard `../b`, which is no plain file name" + damaged);
  EXPECT_EQ(error([](Manifest& m) { m.shards[1].file = "a"; }),
            "m: names the shard `a` twice" + damaged);
  EXPECT_EQ(error([](Manifest& m) { m.tensors.push_back(m.tensors[0]); }),
            "m: has `w` twice" + damaged);
  EXPECT_EQ(error([](Manifest& m) { m.tensors[0].pieces[1].shard = 2; }),
            "m: has a piece of `w` that lies outside of it" + damaged);
  EXPECT_EQ(error([](Manifest& m) { m.tensors[0].pieces[1].box.end = {5}; }),
            "m: has a piece of `w` that lies outside of it" + damaged);
  EXPECT_EQ(error([](Manifest& m) {
              m.tensors[0].pieces[1].box = {{1}, {3}};
            }),
            "m: has pieces of `w` that overlap" + damaged);
  EXPECT_EQ(error([](Manifest& m) { m.tensors[0].pieces.pop_back(); }),
            "m: has 2 of the 4 elements of `w`" + damaged);
  EXPECT_THAT(error([](Manifest& m) {
                m.tensors[0].shape = {int64_t{1} << 60, 1 << 20};
              }),
              HasSubstr("m: "));
  EXPECT_EQ(error([](Manifest& m) { m.step = -1; }),
            "m: `the manifest.step` is not a whole number" + damaged);
  EXPECT_EQ(message_of<UserError>([] { parse_manifest(std::string(100000, '['), "m"); }),
            "m: has more levels than a manifest has" + damaged);
  EXPECT_EQ(message_of<UserError>([] { parse_manifest("{\"tessera_checkpoint\": 2}", "m"); }),
            "m: is a checkpoint of format 2; this version reads format 1");
}

// As where hosts have folders of their own.
TEST(Checkpoint, IsNotCommittedWithoutAllShards) {
  const TempFolder folder;
  Manifest manifest;
  manifest.step = 5;
  const float one = 1;
  const WrittenFile shard = write_shard(
      {}, folder.path(), 5, 0, 2, {{"w", DType::f32, {1}, std::as_bytes(std::span(&one, 1))}});
  manifest.shards = {{shard_name(0, 2), shard.bytes, shard.hash}, {shard_name(1, 2), 80, 0}};
  EXPECT_THAT(
      message_of<DeviceError>([&] { commit_checkpoint({}, folder.path(), manifest); }),
      HasSubstr("a rank wrote 80 bytes there, and rank 0 finds No such file or directory; the "
                "folder of checkpoints must be one that all hosts share"));
  EXPECT_TRUE(list_checkpoints(folder.path()).empty());
}

TEST(Checkpoint, OnlyTheNewestAreKept) {
  const TempFolder folder;
  for (const int64_t step : {3, 100000000, 20}) write_checkpoint({}, folder.path(), step, 1);
  fs::create_directory(folder / "step-x");
  std::vector<int64_t> steps;
  for (const CheckpointPlace& place : list_checkpoints(folder.path())) steps.push_back(place.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{100000000, 20}));
  EXPECT_EQ(set_aside({}, list_checkpoints(folder.path())[0]), folder / "step-100000000.damaged");
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 1u);
  EXPECT_TRUE(list_checkpoints(folder / "none").empty());
}

}  // namespace
}  // namespace tessera
