// Data of many kinds, through the built program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "storage/npy.h"
#include "storage/safetensors.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kExamples = 149;

// The same regression in files of every kind.
struct Kinds : TestFolder {
  Kinds() {
    write("fit.tess",
          "program fit\ndim batch = 8, k = 4\ninput x[batch, k]\ninput y[batch]\n"
          "param w[k] = 0.1\nguess = sum[k](x * w)\n"
          "loss = mean[batch]((guess - y) * (guess - y))\nmost = max[batch](y)\noutput loss\n"
          "output most\nupdate w = w - 0.05 * grad(loss, w)\n");
    Array x = make_array(DType::f32, {kExamples, 4});
    Array y = make_array(DType::f32, {kExamples});
    for (size_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i * 37 % 19) / 16 - 0.5);
    for (size_t i = 0; i < y.size(); ++i) y.set(i, static_cast<double>(i) / 64);
    write_npy(file("x.npy"), x);
    write_npy(file("y.npy"), y);
    replace_safetensors(FileSystem(), file("xy.safetensors"),
                        {{"x", x.type, x.shape, x.data}, {"target", y.type, y.shape, y.data}}, {});
    std::ofstream(file("x.bin"))
        .write(reinterpret_cast<const char*>(x.data.data()),
               static_cast<std::streamsize>(x.data.size()));
    fs::create_directory(file("tables"));
    for (const auto& [name, begin, end] :
         {std::tuple{"a.csv", 0, 70}, {"b.csv", 70, static_cast<int>(kExamples)}}) {
      std::string text = "x1,x2,x3,x4,target\n";
      for (int row = begin; row < end; ++row) {
        for (int k = 0; k < 4; ++k)
          text += std::to_string(x.get(static_cast<size_t>(4 * row + k))) + ",";
        text += std::to_string(y.get(static_cast<size_t>(row))) + "\n";
      }
      write(std::string("tables/") + name, text);
    }
  }
  CommandResult run(const std::string& data, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {
        "run",
        write("fit.yaml", "program: {file: fit.tess}\ndata: " + data +
                              "\ntrain: {epochs: 3, seed: 7}\noutput: {dir: " + file("out") +
                              "}\n"),
        "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_tessera(words);
  }
};

TEST(Data, OfAllKindsTrainsAlikeOnAnyRanksInMemoryAndFromFiles) {
  const Kinds files;
  std::optional<double> wanted;
  for (const std::string data : {"{inputs: {x: x.npy, y: y.npy}", "{inputs: {x: x.bin, y: y.npy}",
                                 "{file: xy.safetensors, inputs: {y: target}",
                                 "{file: tables, inputs: {x: x1..x4, y: target}"})
    for (const std::string memory : {"", ", memory: 1"})
      for (const std::string ranks : {"1", "3"}) {
        const CommandResult result = files.run(data + memory + "}", {"cluster.ranks=" + ranks});
        ASSERT_EQ(result.code, 0) << data << memory << "\n" << result.err;
        EXPECT_EQ(result.json()["steps"], 54);
        EXPECT_EQ(result.json()["left_over"], 5);
        const double loss = result.json()["loss"];
        if (!wanted) wanted = loss;
        EXPECT_NEAR(loss, *wanted, 1e-5 * std::abs(*wanted)) << data << memory << " on " << ranks;
      }
}

TEST(Data, SaysWhatFillsNoBatch) {
  const Kinds files;
  const std::string npy = "{inputs: {x: x.npy, y: y.npy}, ";
  const auto err = [&](const std::string& data) {
    CommandResult result = run_tessera(
        {"run", files.write("say.yaml", "program: {file: fit.tess}\ndata: " + data + "\n"),
         "output.dir=" + files.file("say")});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.err;
  };
  EXPECT_THAT(err(npy + "shuffle: true}"),
              HasSubstr("data: 149 examples are 18 batches of 8 an epoch; 5 are left over, others "
                        "in each epoch\n"));
  EXPECT_THAT(err(npy + "shuffle: false}"),
              HasSubstr("data: 149 examples are 19 batches of 8 an epoch; the last one holds the "
                        "last example 4 times\n"));
  EXPECT_THAT(err(npy + "batch: 149}"), ::testing::Not(HasSubstr("data: ")));
}

// Of 149 examples no batch near 16 takes all, so the last ones are a batch of their own.
TEST(Data, TestsOnEveryExampleOnceAndSaysInWhichBatches) {
  const Kinds files;
  for (const std::string ranks : {"1", "2"}) {
    const CommandResult result = run_tessera(
        {"run",
         files.write("test.yaml",
                     "program: {file: fit.tess}\n"
                     "data: {inputs: {x: x.npy, y: y.npy}, test: {x: x.npy, y: y.npy}, limit: 8}\n"
                     "train: {steps: 1}\ncluster: {ranks: " +
                         ranks + "}\n"),
         "output.dir=" + files.file("test"), "program.dims.batch=4", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    // The mean over all examples of y, by the weights of 18 batches of 8 and one of 5.
    double sum = 0;
    for (int i = 0; i < 144; i += 8) sum += 8 * (i + 7) / 64.0;
    EXPECT_NEAR(result.json()["most"], (sum + 5 * 148 / 64.0) / 149, 1e-5);
  }
  const CommandResult said = run_tessera(
      {"run", files.file("test.yaml"), "output.dir=" + files.file("test"), "program.dims.batch=4"});
  EXPECT_THAT(said.err, HasSubstr("testing: 149 examples in 18 batches of 8 and one of 5\n"));
}

TEST(Data, HoldsOutAShareForTesting) {
  const Kinds files;
  const CommandResult result = files.run("{file: xy.safetensors, inputs: {y: target}, test: 0.2}");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.json()["steps"], 3 * (119 / 8));
  EXPECT_TRUE(result.json().contains("test_loss"));
  const CommandResult none = files.run("{inputs: {x: x.npy, y: y.npy}, test: 0.001}");
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("data.test is 0.001, which of the 149 examples of data.inputs "
                                  "leaves none for testing"));
}

TEST(Data, ErrorsNameFileLineAndWhatIsAllowed) {
  const Kinds files;
  files.write("tables/c.csv", "x1,x2,x3,x4,target\n1,2,3,four,5\n");
  const CommandResult result = files.run("{file: tables, inputs: {x: x1..x4, y: target}}");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err, "tessera: " + files.file("tables/c.csv") +
                            ":2:7: column `x4` is `four`; allowed is a number, nan or inf\n");
}

// A file of zeros, most of which no disk holds, of four times the memory that the job may use.
TEST(Data, LargerThanMemoryIsRead) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take more address space than this test may have";
#endif
  const TestFolder folder;
  constexpr int64_t kLimit = int64_t{1} << 30;
  constexpr int64_t kRow = 1 << 16;  // values
  constexpr int64_t kRows = 4 * kLimit / (4 * kRow);
  Array first = make_array(DType::f32, {1, kRow});
  write_npy(folder.file("row.npy"), first);
  std::string header = read_text(folder.file("row.npy")).substr(0, 128);
  const std::string shape = "(1, " + std::to_string(kRow) + ")";
  const std::string wanted = "(" + std::to_string(kRows) + ", " + std::to_string(kRow) + ")";
  const size_t at = header.find(shape);
  ASSERT_NE(at, std::string::npos);
  header.replace(at, shape.size(), wanted);
  header.erase(header.find("  ", at), wanted.size() - shape.size());  // of the blanks at the end
  ASSERT_EQ(header.size(), 128u);
  folder.write("x.npy", header);
  fs::resize_file(folder.file("x.npy"), 128 + static_cast<uintmax_t>(4 * kLimit));
  folder.write("fit.tess", "program fit\ndim batch = 16, k = " + std::to_string(kRow) +
                               "\ninput x[batch, k]\nparam w[k] = 0.5\n"
                               "loss = mean[batch]((sum[k](x * w) - 1) ** 2.0)\noutput loss\n"
                               "update w = w - 0.001 * grad(loss, w)\n");
  CommandResult result;
  SubprocessOptions options =
      tessera_command({"run",
                       folder.write("fit.yaml",
                                    "program: {file: fit.tess}\ndata: {inputs: {x: x.npy}}\n"
                                    "train: {steps: 40}\noutput: {dir: " +
                                        folder.file("out") + "}\n"),
                       "--json"},
                      result);
  options.argv.insert(options.argv.begin(),
                      {"/bin/sh", "-c",
                       "MALLOC_ARENA_MAX=2; export MALLOC_ARENA_MAX; ulimit -v " +
                           std::to_string(kLimit / 1024) + " && exec \"$0\" \"$@\""});
  Subprocess process(options);
  const std::optional<ExitStatus> status = process.wait(90);
  ASSERT_TRUE(status);
  ASSERT_EQ(status->code(), 0) << result.err;
  EXPECT_EQ(result.json()["steps"], 40);
  EXPECT_EQ(result.json()["loss"], 1);
}

// Values are made up for every input: integers that index a dim lie within it.
TEST(Data, SyntheticValuesFitWhatTheyIndex) {
  const TestFolder folder;
  folder.write("look.tess",
               "program look\ndim batch = 8, word = 3, k = 4\ninput token[batch] : i32\n"
               "input x[batch, k]\nparam table[word, k] = normal(0, 1)\n"
               "loss = mean[batch, k]((table[word: token] - x) ** 2)\noutput loss\n"
               "update table = table - 0.1 * grad(loss, table)\n");
  const std::string config =
      folder.write("look.yaml",
                   "program: {file: look.tess}\ndata: {set: synthetic, limit: 26}\n"
                   "train: {steps: 5}\noutput: {dir: " +
                       folder.file("out") + "}\n");
  const CommandResult result = run_tessera({"run", config});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out + result.err, HasSubstr("26 examples are 3 batches of 8"));
}

}  // namespace
}  // namespace tessera
