#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/npy.h"
#include "storage/safetensors.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// y = sum[k](x * w) + b: a program that trains w and b, and one that only computes.
class Weights : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string forward =
        "dim batch = 16, k = 7, out = 3\ninput x[batch, k]\ninput truth[batch, out]\n"
        "param w[k, out] = glorot()\nparam b[out]\nstate seen : i64\n"
        "y = sum[k](x * w) + b\nloss = mean[batch, out]((y - truth) ** 2.0)\n";
    folder_.write("fit.tess", "program fit\n" + forward +
                                  "update seen = seen + 16\noutput loss\noutput y[batch, out]\n");
    folder_.write("use.tess", "program use\n" + forward + "output y[batch, out]\n");
    Array x = make_array(DType::f32, {160, 7}), truth = make_array(DType::f32, {160, 3});
    for (size_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i % 11) / 11 - 0.5);
    for (size_t i = 0; i < truth.size(); ++i) truth.set(i, static_cast<double>(i % 5) / 5);
    write_npy(folder_.file("x.npy"), x);
    write_npy(folder_.file("truth.npy"), truth);
    x.data.resize(16 * 7 * 4), x.shape = {16, 7};
    truth.data.resize(16 * 3 * 4), truth.shape = {16, 3};
    write_npy(folder_.file("x16.npy"), x);
    write_npy(folder_.file("truth16.npy"), truth);
    folder_.write("job.yaml",
                  "program: {file: fit.tess}\ndata: {inputs: {x: x.npy, truth: truth.npy}}\n"
                  "train: {optimizer: {adam: {lr: 0.01}}, steps: 7, seed: 3}\n");
  }

  CommandResult eval(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"eval",  folder_.file("use.tess"),
                                      "--in",  "x=" + folder_.file("x16.npy"),
                                      "--in",  "truth=" + folder_.file("truth16.npy"),
                                      "--out", "y=" + folder_.file("y.npy")};
    words.insert(words.end(), more.begin(), more.end());
    return run_tessera(words);
  }
  CommandResult run(const std::string& name, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"run", folder_.file("job.yaml"),
                                      "output.dir=" + folder_.file(name)};
    words.insert(words.end(), more.begin(), more.end());
    return run_tessera(words);
  }

  TestFolder folder_;
};

TEST_F(Weights, OfARunAreUsedByEvalOnAnyRanksAndByTheInterpreter) {
  const CommandResult result = run("a", {"cluster.ranks=3"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string model = folder_.file("a/model.safetensors");
  const auto file = open_tensors(model);
  ASSERT_EQ(file->tensors().size(), 3u);  // the moments of Adam are no part of a model
  EXPECT_EQ(file->read(*file->find("seen")).as<int64_t>()[0], 7 * 16);
  std::vector<Array> found;
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{}, {"--ranks", "2"}, {"--ranks", "4"}, {"--interpret"}}) {
    std::vector<std::string> words = {"--weights", model};
    words.insert(words.end(), how.begin(), how.end());
    const CommandResult used = eval(words);
    ASSERT_EQ(used.code, 0) << used.err;
    found.push_back(read_npy(folder_.file("y.npy")));
    for (size_t i = 0; i < found[0].size(); ++i)
      EXPECT_NEAR(found.back().get(i), found[0].get(i), 1e-5);
  }
  const CommandResult untrained = eval({});
  EXPECT_NE(read_npy(folder_.file("y.npy")), found[0]);
  // --in goes before --weights.
  write_npy(folder_.file("b.npy"), make_array(DType::f32, {3}));
  ASSERT_EQ(eval({"--weights", model, "--in", "b=" + folder_.file("b.npy")}).code, 0);
  EXPECT_NE(read_npy(folder_.file("y.npy")), found[0]);
}

TEST_F(Weights, OfARunBeginAnother) {
  ASSERT_EQ(run("a", {}).code, 0);
  const CommandResult b =
      run("b", {"--weights", folder_.file("a/model.safetensors"), "train.optimizer.adam.lr=1e-30",
                "train.steps=1", "cluster.ranks=2", "cluster.transport=mpi"});
  ASSERT_EQ(b.code, 0) << b.err;
  EXPECT_THAT(b.err, HasSubstr("which keep their first values"));
  const auto before = open_tensors(folder_.file("a/model.safetensors"));
  const auto after = open_tensors(folder_.file("b/model.safetensors"));
  for (const char* name : {"w", "b"})
    EXPECT_EQ(after->read(*after->find(name)), before->read(*before->find(name))) << name;
  EXPECT_EQ(after->read(*after->find("seen")).as<int64_t>()[0], 8 * 16);
  // The saved config says where the weights came from.
  EXPECT_THAT(read_text(folder_.file("b/config.yaml")), HasSubstr("a/model.safetensors"));
  const CommandResult again = run_tessera(
      {"run", folder_.file("b/config.yaml"), "output.dir=" + folder_.file("c"), "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(read_text(folder_.file("c/model.safetensors")),
            read_text(folder_.file("b/model.safetensors")));
}

TEST_F(Weights, OfACheckpointAreUsedByAProgramWithoutItsOptimizer) {
  ASSERT_EQ(run("a", {"cluster.ranks=3", "checkpoint={}", "plan.pins={w: {k: data}}"}).code, 0);
  std::vector<Array> found;
  for (const std::string& file :
       {"a/model.safetensors", "a.checkpoints", "a.checkpoints/step-00000007"}) {
    const CommandResult used = eval({"--weights", folder_.file(file), "--ranks", "2"});
    ASSERT_EQ(used.code, 0) << used.err;
    found.push_back(read_npy(folder_.file("y.npy")));
    EXPECT_EQ(found.back(), found.front()) << file;
  }
}

TEST_F(Weights, AreMappedFromOtherNames) {
  const Array w = make_array(DType::f32, {7, 3});
  Array b = make_array(DType::f32, {3});
  for (size_t i = 0; i < 3; ++i) b.set(i, static_cast<double>(i));
  write_safetensors(FileSystem(), folder_.file("theirs.safetensors"),
                    {{"net.0.weight", w.type, w.shape, w.data},
                     {"net.0.bias", b.type, b.shape, b.data},
                     {"net.1.bias", b.type, b.shape, b.data}},
                    {});
  const std::string file = folder_.file("theirs.safetensors");
  const CommandResult good =
      eval({"--weights", file, "--rename", "net.0.weight=w", "--rename", "*.0.bias=b"});
  ASSERT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.err, HasSubstr("not used, as the program has no such tensors: net.1.bias"));
  EXPECT_EQ(read_npy(folder_.file("y.npy")).get(47), 2);
  const CommandResult trained = run("a", {"--weights", file, "--rename", "net.0.weight=w",
                                          "--rename", "*.0.bias=b", "train.steps=2", "--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.json()["steps"], 2);
  const CommandResult bad = eval({"--weights", file, "--rename", "net.0.weight=b"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("use.tess:5:7) takes f32[7, 3]; the file has no `w`"));
  EXPECT_THAT(bad.err, HasSubstr("use.tess:6:7) takes f32[3]; the file has f32[7, 3]"));
  EXPECT_THAT(bad.err, HasSubstr("not used of the file: net.0.bias, net.1.bias"));
}

TEST_F(Weights, MistakesAreSaid) {
  EXPECT_THAT(eval({"--rename", "a=b"}).err, HasSubstr("add --weights FILE"));
  EXPECT_THAT(eval({"--weights", folder_.file("none")}).err, HasSubstr("none: cannot be opened"));
  EXPECT_THAT(eval({"--weights", folder_.file("x.npy")}).err,
              HasSubstr("is a .npy file, an array"));
  EXPECT_THAT(run("a", {"weights={rename: [a]}"}).err,
              HasSubstr("`weights` must have the key `file`"));
  EXPECT_THAT(run("a", {"--weights", folder_.file("x16.npy"), "--rename", "a"}).err,
              HasSubstr("a rename is FROM=TO"));
  EXPECT_THAT(run("a", {"--weights", folder_.file("fit.tess")}).err,
              HasSubstr("the file is damaged, or no .safetensors file"));
}

}  // namespace
}  // namespace tessera
