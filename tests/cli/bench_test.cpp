// `tessera bench`: what its report says about kernels, and its suites.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include <set>

#include "tests/cli/run_tessera.h"
#include "tests/models/jax.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kGallery = std::string(TESSERA_SOURCE_DIR) + "/examples/gallery/";

TEST(BenchSchedule, SaysForEveryKernelHowItIsBuilt) {
  const std::vector<std::string> words = {"bench",     "mlp",       "--dim",
                                          "batch=32",  "--seconds", "0.05",
                                          "--threads", "1",         "--show-schedule"};
  const CommandResult text = run_tessera(words);
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("tiled contraction"), HasSubstr("loop nest"),
                              HasSubstr(" measured, "), HasSubstr(" predicted\n  nests  "),
                              HasSubstr("\n  tile  "), HasSubstr("\n  chunks  ")));
  std::vector<std::string> more = words;
  more.push_back("--json");
  const CommandResult result = run_tessera(more);
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json kernels = result.json()["schedules"];
  ASSERT_GT(kernels.size(), 2u);
  for (const nlohmann::json& kernel : kernels) {
    EXPECT_GE(kernel["nests"].size(), 1u);
    EXPECT_GT(kernel["predicted_ms"], 0);
    EXPECT_GE(kernel["measured_ms"], 0);
    EXPECT_GE(kernel["schedule"]["chunks"], 1);
    EXPECT_GE(kernel["explained"].size(), 1u);
    EXPECT_GE(kernel["uses"], 1);
  }
}

TEST(BenchSchedule, KernelsOfLoopsAndOfSeveralRanksAreShown) {
  const CommandResult result =
      run_tessera({"bench", kGallery + "nbody.tess", "--seconds", "0.05", "--ranks", "2",
                   "--threads", "1", "--show-schedule", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  bool loops = false;
  const nlohmann::json kernels = result.json()["schedules"];
  for (const nlohmann::json& kernel : kernels)
    loops = loops || kernel["name"].get<std::string>().find("moved") != std::string::npos;
  EXPECT_TRUE(loops) << result.out;
}

// A folder with a suite of one small row, and no peers.
struct SuitesFolder : TestFolder {
  SuitesFolder() {
    std::filesystem::create_directory(file("kernels"));
    write("kernels/dot.tess",
          "program dot\ndim k = 64\ninput a[k]\ninput b[k]\nc = sum[k](a * b)\noutput c\n");
    write("kernels/small.yaml",
          "title: dots\npeers: [jax]\nrows:\n- {program: dot.tess}\n"
          "- {name: longer, program: dot.tess, dims: {k: 1000}}\n");
    write("kernels/fast.yaml", "title: shares\nmeasure: peak\nrows:\n- {program: dot.tess}\n");
  }
  CommandResult run(std::vector<std::string> more) const {
    more.insert(more.begin(), {"bench", "kernels", "--folder", path(), "--seconds", "0.02"});
    return run_tessera(more);
  }
};

TEST(BenchSuites, ARowWithoutItsPeerSaysHowToGetIt) {
  const SuitesFolder folder;
  const CommandResult result = folder.run({"--filter", "small/", "--python", "/no/python"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("small: dots"), HasSubstr("\n  longer "),
                    HasSubstr("without jax: there is no " + folder.path() + "/kernels/dot.py")));
  EXPECT_THAT(result.err, HasSubstr("bench"));
  folder.write("kernels/dot.py", "def program(a, b):\n    return {}\n");
  EXPECT_THAT(folder.run({"--filter", "longer", "--python", "/no/python"}).out,
              HasSubstr("without jax: cannot start /no/python"));
}

TEST(BenchSuites, JsonHoldsEveryRowAndItsLimits) {
  const SuitesFolder folder;
  const CommandResult result = folder.run({"--filter", "fast/", "--json", "--model"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json json = result.json();
  EXPECT_GT(json["peak_gflops"], 0);
  ASSERT_EQ(json["suites"].size(), 1u);
  const nlohmann::json row = json["suites"][0]["rows"][0];
  EXPECT_EQ(row["name"], "dot");
  EXPECT_GT(row["score"], 0);
  EXPECT_EQ(row["contenders"][0]["name"], "tessera");
  EXPECT_EQ(row["contenders"][1]["name"], "at peak");
  EXPECT_EQ(row["kernels"].size(), 1u);
  EXPECT_EQ(row["flops"], 128);
}

// The formulations in bench/ compute what the programs do.
class BenchValues : public ::testing::TestWithParam<std::string> {};

TEST_P(BenchValues, AreThoseOfJax) {
  const std::optional<std::string> python = jax_python();
  if (!python)
    GTEST_SKIP() << "no JAX: run ./tessera test, which installs it into build/jax, or set "
                    "TESSERA_JAX_PYTHON to a Python that has it";
  const auto [command, filter] = GetParam().find('/') == std::string::npos
                                     ? std::pair<std::string, std::string>(GetParam(), "")
                                     : std::pair<std::string, std::string>("kernels", GetParam());
  const CommandResult result = run_tessera({"bench", command, "--filter", filter, "--folder",
                                            std::string(TESSERA_SOURCE_DIR) + "/bench", "--tiny",
                                            "--seconds", "0.001", "--python", *python, "--json"});
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  const nlohmann::json json = result.json();
  for (const nlohmann::json& suite : json["suites"])
    for (const nlohmann::json& row : suite["rows"]) {
      EXPECT_FALSE(row.contains("problem")) << row;
      ASSERT_GE(row["contenders"].size(), 2u) << row;
      EXPECT_TRUE(row["contenders"][1].contains("difference")) << row["contenders"][1];
    }
}

INSTANTIATE_TEST_SUITE_P(Suites, BenchValues,
                         ::testing::Values("made-up", "routing/", "attention/"),
                         [](const auto& info) {
                           std::string name;
                           for (const char c : info.param)
                             if (std::isalpha(static_cast<unsigned char>(c))) name += c;
                           return name;
                         });

TEST(BenchSuites, CompareTesseraWithItself) {
  const SuitesFolder folder;
  const CommandResult threads =
      folder.run({"--filter", "longer", "--threads", "2", "--against", "one-thread"});
  EXPECT_EQ(threads.code, 0) << threads.err;
  EXPECT_THAT(threads.out, HasSubstr("one thread"));
  const CommandResult tuned =
      folder.run({"--filter", "longer", "--against", "untuned", "--tune", "0.2"});
  EXPECT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_THAT(tuned.out, HasSubstr("untuned"));
}

// Both sides of every row agree, on two processes and on three.
TEST(BenchCollectives, AreThoseOfMpi) {
  for (const char* ranks : {"2", "3"}) {
    const CommandResult result = run_tessera(
        {"bench", "collectives", "--ranks", ranks, "--most", "1", "--seconds", "0.005", "--json"});
    ASSERT_EQ(result.code, 0) << result.out << result.err;
    const nlohmann::json rows = result.json()["suites"][0]["rows"];
    std::set<std::string> names;
    for (const nlohmann::json& row : rows) {
      names.insert(row["name"]);
      EXPECT_FALSE(row.contains("problem")) << row;
      ASSERT_EQ(row["contenders"].size(), 2u) << row;
      EXPECT_GT(row["score"], 0) << row;
    }
    EXPECT_EQ(names.count("all-reduce f32 4 B"), 1u);
    EXPECT_EQ(names.count("broadcast f32 1 MiB"), 1u);
    EXPECT_EQ(names.count("all-to-all f32 4 B"), 0u) << "which has no block for each rank";
  }
}

TEST(BenchCollectives, WrongCommandLinesAreExplained) {
  const CommandResult alone = run_tessera({"bench", "collectives", "--host", "a:1"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("--host names one rank; collectives take two or more"));
  const CommandResult none = run_tessera({"bench", "collectives", "--filter", "all-produce"});
  EXPECT_EQ(none.code, 2);
  EXPECT_EQ(none.err,
            "tessera: no collective has `all-produce` in its name; names are like `all-reduce f32 "
            "64 MiB`, and --list prints them\n");
  const CommandResult list =
      run_tessera({"bench", "collectives", "--list", "--filter", "all-reduce", "--most", "1"});
  EXPECT_EQ(list.out,
            "all-reduce f32 4 B\nall-reduce f32 64 B\nall-reduce f32 1 KiB\n"
            "all-reduce f32 16 KiB\nall-reduce f32 256 KiB\nall-reduce f32 1 MiB\n");
}

TEST(BenchPlanner, TimesTheOptimizersPlanAndOthers) {
  for (const char* transport : {"local", "mpi"}) {
    const CommandResult result =
        run_tessera({"bench", "planner", "--tiny", "--filter", "made_up/squared", "--ranks", "2",
                     "--plans", "3", "--seconds", "0.01", "--transport", transport, "--json"});
    ASSERT_EQ(result.code, 0) << result.out << result.err;
    ASSERT_EQ(result.json()["rows"].size(), 1);
    const nlohmann::json row = result.json()["rows"][0];
    EXPECT_GT(row["predicted_ms"], 0) << row;
    EXPECT_GT(row["measured_ms"], 0) << row;
    EXPECT_EQ(row["others"].size(), 3) << row;
    std::set<std::string> hashes = {row["plan_hash"]};
    for (const nlohmann::json& other : row["others"]) hashes.insert(other["plan_hash"]);
    EXPECT_EQ(hashes.size(), 4) << "plans are distinct";
    EXPECT_EQ(result.json()["summary"]["compared"], 1);
  }
}

TEST(BenchSuites, AMistypedNameIsExplained) {
  const CommandResult result = run_tessera({"bench", "kernel"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(
      result.err,
      "tessera: there is no file, suite or model `kernel`; suites and models are kernels, "
      "train, made-up, planner, collectives, iopddl, mlp, cnn, capsules, transformer, experts, "
      "resnet, lstm (did you mean `kernels`?)\n");
}

TEST(BenchSuites, WrongCommandLinesAreExplained) {
  const SuitesFolder folder;
  EXPECT_EQ(folder.run({"--list"}).out, "fast/dot\nsmall/dot\nsmall/longer\n");
  const CommandResult none = folder.run({"--filter", "absent"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("no row has `absent` in its SUITE/NAME; suites are fast, small"));
  EXPECT_EQ(folder.run({"--tune", "1"}).code, 2);
  const CommandResult bare = run_tessera({"bench"});
  EXPECT_EQ(bare.code, 2);
  EXPECT_THAT(
      bare.err,
      HasSubstr("one of the suites kernels, train, made-up, planner, collectives and iopddl"));
  const CommandResult missing = run_tessera({"bench", "train", "--folder", folder.path()});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("there are no suites in `" + folder.path() + "/train`"));
  for (const char* suite : {"kernels", "train", "made-up", "planner", "collectives"})
    EXPECT_THAT(run_tessera({"bench", suite, "--help"}).out, HasSubstr("--filter")) << suite;
}

TEST(BenchGpu, SaysWhatItWantsAndWhatIsMissing) {
  const SuitesFolder folder;
  const auto fails = [&](std::vector<std::string> words, const std::string& text) {
    const CommandResult result = folder.run(std::move(words));
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr(text));
  };
  fails({"--target", "nvptx"},
        "--target nvptx wants one of --run (on this machine's GPU), --assemble ARCHS (by ptxas) "
        "and --emit FOLDER (PTX)");
  fails({"--assemble", "sm_90"}, "--run, --assemble and --emit are for --target nvptx");
  fails({"--target", "nvptx", "--assemble", "sm_90,gfx942"},
        "`gfx942` is no architecture that kernels are made for; allowed are sm_80 and later ones");
  fails({"--target", "nvptx", "--emit", folder.file("ptx"), "--arch", "sm_80,sm_90"},
        "--arch takes one architecture; found sm_80,sm_90");
}

TEST(BenchGpu, WritesThePtxOfEveryKernel) {
  const SuitesFolder folder;
  const CommandResult result = folder.run(
      {"--target", "nvptx", "--emit", folder.file("ptx"), "--filter", "small/", "--arch", "sm_80"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("2 kernels in " + folder.file("ptx")));
  std::ifstream ptx(folder.file("ptx/small_longer.c.ptx"));
  const std::string text((std::istreambuf_iterator<char>(ptx)), {});
  EXPECT_THAT(text, AllOf(HasSubstr(".target sm_80"), HasSubstr(".visible .entry tessera_0")));
}

TEST(BenchGpu, WithoutADriverItSaysSo) {
  if (access("/dev/nvidiactl", F_OK) == 0) GTEST_SKIP() << "this machine has an NVIDIA driver";
  const SuitesFolder folder;
  const CommandResult result = folder.run({"--target", "nvptx", "--run"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("there is no NVIDIA driver: libcuda.so.1"));
}

}  // namespace
}  // namespace tessera
