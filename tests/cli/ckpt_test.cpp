#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/checkpoint.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// Two checkpoints of one parameter in two shards, and a state, which only the second one has moved.
class Ckpt : public ::testing::Test {
 protected:
  void SetUp() override {
    write(100, 1);
    write(200, 2);
  }

  void write(int64_t step, float state) const {
    const std::vector<float> w = {1, 2, 3, state};
    const auto bytes = std::as_bytes(std::span(w));
    Manifest manifest;
    manifest.step = step;
    manifest.seed = 5;
    manifest.data = {2, 3, 77, ""};
    manifest.ranks = 2;
    manifest.written = "2026-01-02T03:04:05Z";
    const std::vector<std::vector<TensorToWrite>> ranks = {
        {{"w", DType::f32, {1}, bytes.first(4)}, {"s", DType::f32, {}, bytes.last(4)}},
        {{"w", DType::f32, {2}, bytes.subspan(4, 8)}}};
    for (int rank = 0; rank < 2; ++rank) {
      const WrittenFile shard =
          write_shard({}, dir(), step, rank, 2, ranks[static_cast<size_t>(rank)]);
      manifest.shards.push_back({shard_name(rank, 2), shard.bytes, shard.hash});
    }
    manifest.tensors = {{"w", DType::f32, {3}, true, {{0, {{0}, {1}}}, {1, {{1}, {3}}}}},
                        {"s", DType::f32, {}, false, {{0, {{}, {}}}}}};
    commit_checkpoint({}, dir(), manifest);
  }
  std::string dir() const { return folder_.file("c"); }
  std::string place(int step) const { return dir() + "/step-00000" + std::to_string(step); }

  static CommandResult ckpt(std::vector<std::string> words) {
    words.insert(words.begin(), "ckpt");
    return run_tessera(words);
  }

  TestFolder folder_;
};

TEST_F(Ckpt, ListsAndShows) {
  const CommandResult ls = ckpt({"ls", dir()});
  EXPECT_EQ(ls.code, 0) << ls.err;
  EXPECT_THAT(ls.out, ::testing::StartsWith("step       200  "));
  EXPECT_THAT(ls.out, HasSubstr("2 ranks  2026-01-02T03:04:05Z\nstep       100  "));
  EXPECT_EQ(ckpt({"ls", dir(), "--json"}).json()["checkpoints"][1]["step"], 100);
  const CommandResult show = ckpt({"show", dir()});
  for (const char* part : {"step         200 (epoch 2, batch 3 of it; 77 examples seen)",
                           "seed         5", "shard-00001-of-00002.safetensors",
                           "parameter  w: f32[3] in 2 pieces", "state      s: f32[] in 1 piece\n"})
    EXPECT_THAT(show.out, HasSubstr(part));
  const nlohmann::json json = ckpt({"show", place(100), "--json"}).json();
  EXPECT_EQ(json["step"], 100);
  EXPECT_EQ(json["tensors"][0]["shape"], std::vector<int64_t>{3});
}

TEST_F(Ckpt, VerifiesAll) {
  EXPECT_EQ(ckpt({"verify", dir()}).code, 0);
  const std::string shard = place(100) + "/shard-00000-of-00002.safetensors";
  std::string bytes = read_text(shard);
  bytes.back() ^= 1;
  std::ofstream(shard, std::ios::binary) << bytes;
  const CommandResult verify = ckpt({"verify", dir()});
  EXPECT_EQ(verify.code, 2);
  EXPECT_THAT(verify.out, HasSubstr(place(200) + ": whole\n"));
  EXPECT_THAT(verify.out, HasSubstr(place(100) + ": damaged: " + shard + ": has the hash "));
  EXPECT_EQ(verify.err, "tessera: damaged: " + place(100) + "\n");
  EXPECT_EQ(ckpt({"verify", place(200)}).code, 0);
  EXPECT_EQ(ckpt({"verify", dir(), "--json"}).json()["checkpoints"][0]["damage"], "");
  EXPECT_EQ(ckpt({"export", place(100), folder_.file("x.safetensors")}).code, 2);
}

TEST_F(Ckpt, ExportsAndCompares) {
  const std::string all = folder_.file("all.safetensors"), params = folder_.file("p.safetensors");
  EXPECT_EQ(ckpt({"export", dir(), all}).out, "2 tensors of " + place(200) + " -> " + all + "\n");
  EXPECT_EQ(ckpt({"export", dir(), params, "--params", "--json"}).json()["tensors"], 1);
  const auto file = open_tensors(params);
  EXPECT_EQ(file->read(0).get(2), 3);
  const CommandResult same = ckpt({"diff", dir(), all});
  EXPECT_EQ(same.code, 0);
  EXPECT_EQ(same.out, "2 tensors are the same, 0 differ\n");
  const CommandResult differ = ckpt({"diff", place(100), all});
  EXPECT_EQ(differ.code, 1);
  EXPECT_EQ(differ.out,
            "s: 1 of 1 elements differ, by up to 1\n1 tensors are the same, 1 differ\n");
  EXPECT_EQ(ckpt({"diff", dir(), params}).out,
            "s: only in " + place(200) + "\n1 tensors are the same, 1 differ\n");
  EXPECT_EQ(ckpt({"diff", dir(), params, "--json"}).json()["same"], 1);
}

TEST_F(Ckpt, MistakesAreSaid) {
  EXPECT_THAT(ckpt({"ls", folder_.file("none")}).err, HasSubstr("none: is no folder"));
  EXPECT_THAT(ckpt({"show", folder_.path()}).err,
              HasSubstr("is neither a checkpoint nor a folder of checkpoints"));
  EXPECT_EQ(ckpt({}).code, 2);
  EXPECT_EQ(ckpt({"export", dir()}).code, 2);
  for (const char* name : {"ls", "show", "verify", "export", "diff"})
    EXPECT_THAT(ckpt({name, "--help"}).out, HasSubstr("--json"));
}

}  // namespace
}  // namespace tessera
