#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "codegen/cpu_level.h"
#include "storage/npy.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

const std::string kConfigs = std::string(TESSERA_SOURCE_DIR) + "/configs/";

constexpr const char* kMatmul = R"(program matmul
dim i = 7, j = 5, k = 11
input a[i, k]
input b[k, j]
c = sum[k](a * b)
output c[i, j]
)";

Array ramp(std::vector<int64_t> shape, double step) {
  Array array = make_array(DType::f32, std::move(shape));
  for (size_t i = 0; i < array.size(); ++i) array.set(i, step * static_cast<double>(i % 13) - 1);
  return array;
}

// A folder with the program and its inputs.
struct MatmulFolder : TestFolder {
  MatmulFolder() {
    program = write("matmul.tess", kMatmul);
    write_npy(file("a.npy"), ramp({7, 11}, 0.25));
    write_npy(file("b.npy"), ramp({11, 5}, 0.5));
  }
  std::vector<std::string> eval(std::vector<std::string> more) const {
    std::vector<std::string> words = {
        "eval", program, "--in", "a=" + file("a.npy"), "--in", "b=" + file("b.npy")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string program;
};

TEST(Cpu, KernelsOfEveryLevelComputeTheSameAndAnUnknownOneIsRefused) {
  const MatmulFolder folder;
  const auto values = [&](const std::string& level) {
    const CommandResult result = run_tessera(
        folder.eval({"--cpu", level, "--ranks", "2", "--out", "c=" + folder.file("c.npy")}));
    EXPECT_EQ(result.code, 0) << level << result.err;
    return read_npy(folder.file("c.npy")).data;
  };
  const auto here = values("host");
  for (const CpuLevel level : cpu_levels_here()) EXPECT_EQ(values(name_of(level)), here);
  const CommandResult refused = run_tessera(folder.eval({"--cpu", "haswell"}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--cpu takes a level of processors, host, x86-64-v2"));
  EXPECT_EQ(run_tessera({"plan", folder.program, "--cpu", "host", "--json"}).code, 0);
}

TEST(Help, EveryCommandExplainsItself) {
  const CommandResult help = run_tessera({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* command : {"run", "plan", "eval", "bench", "doctor", "test"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
    const CommandResult more = run_tessera({command, "--help"});
    EXPECT_EQ(more.code, 0) << command;
    EXPECT_GT(more.out.size(), 100u) << command;
  }
  EXPECT_THAT(help.out, HasSubstr("Exit codes"));
}

TEST(Help, AWrongCommandLineIsCode2) {
  EXPECT_EQ(run_tessera({}).code, 2);
  EXPECT_EQ(run_tessera({"trian"}).code, 2);
  EXPECT_EQ(run_tessera({"plan"}).code, 2);
  EXPECT_EQ(run_tessera({"eval", "x.tess", "--ranks", "0"}).code, 2);
}

TEST(Eval, HostsAreCheckedBeforeAnythingStarts) {
  const MatmulFolder folder;
  const std::string file = folder.write("hosts", "a slots=2\na slots=2\n");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--host", "a:0"}, "tessera: --host: `a:0` must end in a number of ranks from 1 to 4096\n"},
      {{"--host", "a,a"}, "tessera: --host: lists `a` a second time; give its ranks once\n"},
      {{"--hostfile", file},
       "tessera: " + file + ":2: lists `a` a second time; give its slots once\n"},
      {{"--host", "a:2", "--ranks", "2"}, "--ranks excludes --host"},
      {{"--host", "a:2", "--hostfile", file}, "excludes --host"},
  };
  for (const auto& [options, error] : cases) {
    const CommandResult result = run_tessera(folder.eval(options));
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr(error));
  }
  EXPECT_THAT(run_tessera({"run", kConfigs + "quickstart.yaml", "--host", "-x:2"}).err,
              HasSubstr("tessera: --host: `-x:2` is no name of a host"));
}

TEST(Eval, RanksAndTransportsAgreeWithTheInterpreter) {
  const MatmulFolder folder;
  const std::string wanted_file = folder.file("wanted.npy");
  ASSERT_EQ(run_tessera(folder.eval({"--interpret", "--out", "c=" + wanted_file})).code, 0);
  const Array wanted = read_npy(wanted_file);
  ASSERT_EQ(wanted.shape, (std::vector<int64_t>{7, 5}));
  for (const auto& options :
       std::vector<std::vector<std::string>>{{"--ranks", "1"},
                                             {"--ranks", "2"},
                                             {"--ranks", "3", "--mesh", "data=3"},
                                             {"--ranks", "4", "--mesh", "data=2,model=2"},
                                             {"--ranks", "5"},
                                             {"--ranks", "2", "--transport", "mpi"},
                                             {"--ranks", "3", "--transport", "mpi"}}) {
    const std::string file = folder.file("c.npy");
    std::vector<std::string> words = folder.eval({"--out", "c=" + file});
    words.insert(words.end(), options.begin(), options.end());
    const CommandResult result = run_tessera(words);
    ASSERT_EQ(result.code, 0) << result.err;
    const Array found = read_npy(file);
    ASSERT_EQ(found.shape, wanted.shape);
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(found.get(i), wanted.get(i), 1e-4) << options[1];
  }
}

TEST(Eval, SaysWhatIsWrongWithItsArguments) {
  const MatmulFolder folder;
  const auto message = [&](const std::vector<std::string>& words) {
    const CommandResult result = run_tessera(words);
    EXPECT_EQ(result.code, 2);
    return result.err;
  };
  EXPECT_EQ(message({"eval", folder.program, "--in", "a=" + folder.file("a.npy")}),
            "tessera: input `b` (" + folder.program +
                ":4:7) is not given; add --in b=FILE.npy with f32[11, 5]\n");
  EXPECT_EQ(message(folder.eval({"--in", "d=x.npy"})),
            "tessera: --in d=x.npy: program `matmul` has no input `d`; it has a, b (did you mean "
            "`a`?)\n");
  EXPECT_EQ(message(folder.eval({"--out", "e=x.npy"})),
            "tessera: --out e=x.npy: program `matmul` has no output `e`; it has c (did you mean "
            "`c`?)\n");
  EXPECT_EQ(message({"eval", "configs/quickstart.yaml"}),
            "tessera: configs/quickstart.yaml is a config; eval takes a program, a .tess file: "
            "`tessera run configs/quickstart.yaml` trains what a config describes\n");
  EXPECT_EQ(message({"eval", folder.program, "--in", "a"}),
            "tessera: --in takes NAME=VALUE, not `a`\n");
  write_npy(folder.file("wide.npy"), ramp({7, 12}, 1));
  EXPECT_EQ(message({"eval", folder.program, "--in", "a=" + folder.file("wide.npy")}),
            "tessera: " + folder.file("wide.npy") +
                ": holds f32[7, 12]; `a` takes f32[7, 11], "
                "dims i, k (" +
                folder.program + ":3:7)\n");
  write_npy(folder.file("whole.npy"), make_array(DType::i32, {7, 11}));
  EXPECT_THAT(message({"eval", folder.program, "--in", "a=" + folder.file("whole.npy")}),
              HasSubstr("holds i32[7, 11]; `a` takes f32[7, 11]"));
  EXPECT_THAT(message({"eval", folder.file("none.tess")}), HasSubstr("none.tess"));
  EXPECT_THAT(message({"eval", folder.program, "--in", "a=" + folder.file("none.npy")}),
              HasSubstr("none.npy"));
}

TEST(Plan, ReportsEveryKeyForMoreDevicesThanThereAre) {
  const CommandResult result =
      run_tessera({"plan", kConfigs + "quickstart.yaml", "--devices", "64", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json json = result.json();
  for (const char* key : {"time_ms", "lower_bound_ms", "gap", "peak_bytes", "search_s", "mesh",
                          "plan_hash", "bytes_by_collective"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["devices"], 64);
  EXPECT_LE(json["lower_bound_ms"], json["time_ms"]);
  EXPECT_GT(json["lower_bound_ms"], 0);
}

TEST(Plan, IsTheSameEachTimeAndReadsBack) {
  const TestFolder folder;
  const std::string file = folder.file("plan.yaml");
  const CommandResult first = run_tessera(
      {"plan", kConfigs + "quickstart.yaml", "--devices", "2", "--json", "--out", file});
  ASSERT_EQ(first.code, 0) << first.err;
  const CommandResult second =
      run_tessera({"plan", kConfigs + "quickstart.yaml", "--devices", "2", "--json"});
  EXPECT_EQ(first.json()["plan_hash"], second.json()["plan_hash"]);
  EXPECT_THAT(read_text(file), HasSubstr("\"mesh\""));
}

// Seconds stand for work, so that the same seconds give the same plan.
TEST(Plan, SearchesForTheSecondsThatItIsGiven) {
  const auto plan = [](const std::string& seconds) {
    const CommandResult result = run_tessera(
        {"plan", kConfigs + "quickstart.yaml", "--devices", "64", "--search", seconds, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.json();
  };
  const nlohmann::json hasty = plan("0.0001"), again = plan("0.0001"), patient = plan("3");
  EXPECT_EQ(hasty["plan_hash"], again["plan_hash"]);
  EXPECT_EQ(hasty["lower_bound_ms"], again["lower_bound_ms"]);
  EXPECT_GT(hasty["gap"], 1e-3);
  EXPECT_LT(patient["gap"], 1e-9);
  EXPECT_LE(patient["time_ms"], hasty["time_ms"]);
  const CommandResult wrong = run_tessera({"plan", "mlp", "--search", "-1"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--search"));
}

TEST(Plan, ShowsAlternativesAndSaysBetweenWhichLinesThereIsCommunication) {
  const std::vector<std::string> words = {
      "plan", kConfigs + "quickstart.yaml", "--devices", "8", "--alternatives", "2"};
  const CommandResult page = run_tessera(words);
  ASSERT_EQ(page.code, 0) << page.err;
  EXPECT_THAT(page.out, HasSubstr("alternatives, the fastest first"));
  EXPECT_THAT(page.out, HasSubstr("why there is communication, what takes longest first"));
  std::vector<std::string> more = words;
  more.push_back("--json");
  const nlohmann::json json = run_tessera(more).json();
  EXPECT_EQ(json["alternatives"].size(), 6u);  // two meshes, four templates
  for (const nlohmann::json& each : json["alternatives"]) {
    EXPECT_GE(each["seconds"], json["costs"]["seconds"]);
    EXPECT_NE(each["why_not"], "");
    EXPECT_TRUE(each["seconds_by_kind"].contains("computing"));
  }
  ASSERT_FALSE(json["communication"].empty());
  for (const nlohmann::json& each : json["communication"]) {
    EXPECT_NE(each["why"], "");
    EXPECT_FALSE(each["to"].empty());
  }
}

TEST(Plan, ComparesTwoPlans) {
  const TestFolder folder;
  const std::string config = kConfigs + "quickstart.yaml";
  const std::string a = folder.file("a.json"), b = folder.file("b.json");
  ASSERT_EQ(run_tessera({"plan", config, "--devices", "4", "--mesh", "data=4", "--out", a}).code,
            0);
  ASSERT_EQ(run_tessera({"plan", config, "--devices", "4", "--mesh", "data=4", "--pin",
                         "w1.pixel=data", "--out", b})
                .code,
            0);
  const std::vector<std::string> words = {"plan", config, "--devices", "4", "--diff", a, b};
  const CommandResult page = run_tessera(words);
  ASSERT_EQ(page.code, 0) << page.err;
  EXPECT_THAT(page.out, HasSubstr("w1 is kept"));
  EXPECT_THAT(page.out, HasSubstr("decisions differ"));
  std::vector<std::string> more = words;
  more.push_back("--json");
  const nlohmann::json json = run_tessera(more).json();
  EXPECT_LE(json["a"]["seconds"], json["b"]["seconds"]);
  EXPECT_FALSE(json["differences"].empty());
  const CommandResult same = run_tessera({"plan", config, "--devices", "4", "--diff", a, a});
  EXPECT_THAT(same.out, HasSubstr("both decide the same"));
  const CommandResult other = run_tessera({"plan", config, "--devices", "2", "--diff", a, b});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("is for 4 devices, and the cluster has 2; compare plans for the "
                                   "same devices"));
}

TEST(Plan, FailsWhereABudgetIsExceededAndSaysWhatWasFound) {
  const TestFolder folder;
  const auto config = [&](const std::string& budget) {
    return folder.write("job.yaml",
                        "program: {model: mlp}\ncluster: {ranks: 2}\nplan: {mesh: {data: 2}, "
                        "pins: {image: {batch: data}}, budget: " +
                            budget + "}\n");
  };
  EXPECT_EQ(run_tessera({"plan", config("{time: 1 h, communication: 1GiB, memory: 1GiB}")}).code,
            0);
  const CommandResult over =
      run_tessera({"plan", config("{time: 1 h, communication: 1KiB, memory: 2KiB}"), "--json"});
  EXPECT_EQ(over.code, 2);
  EXPECT_THAT(over.err, HasSubstr("job.yaml:3:"));
  EXPECT_THAT(over.err, HasSubstr("the plan exceeds its budget: `plan.budget.communication` is "
                                  "1.00 KiB, and a device moves "));
  EXPECT_THAT(over.err, HasSubstr("; `plan.budget.memory` is 2.00 KiB, and a device holds "));
  EXPECT_EQ(over.err.find("plan.budget.time"), std::string::npos);
  EXPECT_GT(over.json()["budget"]["communication"]["found"],
            over.json()["budget"]["communication"]["allowed"]);
}

TEST(Plan, SaysWhatWouldFitAlsoAsJson) {
  const CommandResult result = run_tessera(
      {"plan", kConfigs + "quickstart.yaml", "--devices", "2", "--memory", "100KiB", "--json"});
  EXPECT_EQ(result.code, 2);
  const nlohmann::json json = result.json();
  EXPECT_EQ(json["fits"], false);
  EXPECT_GT(json["smallest_peak_bytes"], 100 * 1024);
  EXPECT_FALSE(json["holdings"].empty());
}

TEST(Plan, TakesADescribedCluster) {
  const CommandResult gpus = run_tessera({"plan", kConfigs + "quickstart.yaml", "--cluster",
                                          kConfigs + "clusters/gpus.yaml", "--json"});
  ASSERT_EQ(gpus.code, 0) << gpus.err;
  EXPECT_EQ(gpus.json()["devices"], 32);
  const CommandResult laptop = run_tessera(
      {"plan", kConfigs + "quickstart.yaml", "--cluster", kConfigs + "clusters/laptop.yaml"});
  ASSERT_EQ(laptop.code, 0) << laptop.err;
  EXPECT_THAT(laptop.out, HasSubstr("for 2 cpu devices of 6.00 GiB in 1 node"));
  // The laptop computes 300 times slower, so its step takes longer although it has fewer messages.
  const CommandResult again = run_tessera({"plan", kConfigs + "quickstart.yaml", "--cluster",
                                           kConfigs + "clusters/laptop.yaml", "--json"});
  EXPECT_GT(again.json()["time_ms"], gpus.json()["time_ms"]);
}

TEST(Plan, RefusesAClusterThatMakesNoSense) {
  const TestFolder folder;
  const std::string file = folder.write("cluster.yaml", "per_node: 2\ndevise: {}\n");
  const CommandResult key = run_tessera({"plan", kConfigs + "quickstart.yaml", "--cluster", file});
  EXPECT_EQ(key.code, 2);
  EXPECT_THAT(key.err, HasSubstr(file + ":2:1: "));
  EXPECT_THAT(key.err, HasSubstr("did you mean `device`?"));
}

TEST(Plan, TakesSomeDevicesOfACluster) {
  const CommandResult some = run_tessera({"plan", kConfigs + "quickstart.yaml", "--devices", "16",
                                          "--cluster", kConfigs + "clusters/h100.yaml"});
  ASSERT_EQ(some.code, 0) << some.err;
  EXPECT_THAT(some.out, HasSubstr("for 16 h100 devices of 74.0 GiB in 2 nodes"));
}

TEST(Calibrate, WritesWhatPlanAndRunRead) {
  const TestFolder folder;
  const std::string file = folder.file("two.yaml");
  const CommandResult found = run_tessera(
      {"calibrate", "--ranks", "2", "--seconds", "0.2", "--most", "1", "--out", file, "--json"});
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_EQ(found.json()["devices"], 2);
  const nlohmann::json level = found.json()["levels"][0];
  EXPECT_EQ(level["joins"], 2);
  for (const char* kind : {"all-gather", "reduce-scatter", "all-to-all", "all-reduce"})
    EXPECT_EQ(level["measured"][kind].size(), 7) << "256 B to 1 MiB";
  EXPECT_EQ(level["measured"]["all-reduce"].back()["bytes"], 1 << 20);
  EXPECT_EQ(level["measured"]["all-gather"].back()["bytes"], 1 << 19);

  const CommandResult plan = run_tessera({"plan", kConfigs + "quickstart.yaml", "--cluster", file});
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("for 2 cpu devices of"));
  const std::vector<std::string> run = {
      "run",           kConfigs + "quickstart.yaml",       "data.set=synthetic",
      "train.steps=2", "output.dir=" + folder.file("out"), "cluster.measured=" + file};
  const CommandResult two = run_tessera(run);
  EXPECT_EQ(two.code, 0) << two.err;
  std::vector<std::string> three = run;
  three.emplace_back("cluster.ranks=3");
  const CommandResult wrong = run_tessera(three);
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("`" + file + "` describes 2 cpu devices of"));
  EXPECT_THAT(wrong.err, HasSubstr("and this job has 3 ranks"));
}

TEST(Eval, TakesAnExtentOfNothing) {
  const MatmulFolder folder;
  write_npy(folder.file("none_a.npy"), ramp({7, 0}, 1));
  write_npy(folder.file("none_b.npy"), ramp({0, 5}, 1));
  for (const char* ranks : {"1", "3"}) {
    const CommandResult result = run_tessera({"eval", folder.program, "--dim", "k=0", "--in",
                                              "a=" + folder.file("none_a.npy"), "--in",
                                              "b=" + folder.file("none_b.npy"), "--ranks", ranks});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("c: f32[7, 5] = 0, 0, 0"));
  }
  const CommandResult negative = run_tessera(folder.eval({"--dim", "k=-1"}));
  EXPECT_EQ(negative.code, 2);
  EXPECT_THAT(negative.err, HasSubstr("--dim k takes a whole number of at least 0, not `-1`"));
}

TEST(Eval, WritesJsonWhateverAFileIsCalled) {
  const MatmulFolder folder;
  const CommandResult result =
      run_tessera(folder.eval({"--json", "--out", "c=" + folder.file("\xff.npy")}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"outputs\""));
}

TEST(Plan, ExplainsPinsThatCannotBeAndMemoryThatDoesNotSuffice) {
  const std::string config = kConfigs + "quickstart.yaml";
  const CommandResult axis = run_tessera(
      {"plan", config, "--devices", "4", "--mesh", "data=2,model=2", "--pin", "w1.pixel=modle"});
  EXPECT_EQ(axis.code, 2);
  EXPECT_THAT(axis.err, HasSubstr("`modle`"));
  EXPECT_THAT(axis.err, HasSubstr("did you mean `model`?"));
  const CommandResult dim =
      run_tessera({"plan", config, "--devices", "2", "--mesh", "data=2", "--pin", "w1.pixl=data"});
  EXPECT_EQ(dim.code, 2);
  EXPECT_THAT(dim.err, HasSubstr("did you mean `pixel`?"));
  const CommandResult memory =
      run_tessera({"plan", config, "--devices", "2", "--memory", "100KiB"});
  EXPECT_EQ(memory.code, 2);
  EXPECT_THAT(memory.err, HasSubstr("100"));
}

TEST(Bench, TakesOnlyNumbersThatAreTimes) {
  const MatmulFolder folder;
  for (const std::string option : {"--seconds", "--tune", "--timeout"}) {
    for (const std::string value : {"nan", "inf", "-1", "0", "1e10", "many"}) {
      const CommandResult result = run_tessera({"bench", folder.program, option, value});
      EXPECT_EQ(result.code, 2) << option << " " << value;
      EXPECT_THAT(result.err, HasSubstr(option +
                                        ": takes a number of seconds above 0 and up to "
                                        "1e9, not `" +
                                        value + "`"));
    }
  }
}

TEST(Plan, TakesOnlySizesForMemory) {
  for (const std::string value : {"abc", "nan", "-1", "0", "1e9", "2 GB B"}) {
    const CommandResult result = run_tessera({"plan", "mlp", "--memory", value});
    EXPECT_EQ(result.code, 2) << value;
    EXPECT_EQ(result.err,
              "tessera: --memory takes a size such as 512MiB, 2GiB or a number of "
              "bytes, not `" +
                  value + "`\n");
  }
}

TEST(Eval, RefusesAPlanTogetherWithAnotherMesh) {
  const MatmulFolder folder;
  const std::string plan = folder.file("plan.json");
  ASSERT_EQ(
      run_tessera({"plan", folder.program, "--devices", "2", "--mesh", "data=2", "--out", plan})
          .code,
      0);
  const CommandResult other =
      run_tessera(folder.eval({"--ranks", "2", "--plan", plan, "--mesh", "model=2"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(other.err, "tessera: plan `" + plan +
                           "` has the mesh data=2, and the mesh model=2 is "
                           "asked for; leave out the plan or the mesh\n");
  EXPECT_EQ(run_tessera(folder.eval({"--ranks", "2", "--plan", plan, "--mesh", "data=2"})).code, 0);
}

TEST(Bench, ReportsEveryKey) {
  const MatmulFolder folder;
  const CommandResult result =
      run_tessera({"bench", folder.program, "--seconds", "0.05", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json json = result.json();
  for (const char* key : {"median_ms", "min_ms", "max_ms", "flops", "gflops", "machine_peak_gflops",
                          "peak_bytes", "compile_ms"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["flops"], 2 * 7 * 5 * 11);
  const CommandResult ranks =
      run_tessera({"bench", folder.program, "--seconds", "0.05", "--ranks", "2", "--tasks"});
  EXPECT_EQ(ranks.code, 0) << ranks.err;
  EXPECT_THAT(ranks.out, HasSubstr("GFLOP/s"));
}

TEST(Bench, TunesAndLaterCompilationsUseIt) {
  const MatmulFolder folder;
  const std::vector<std::string> words = {"bench", folder.program, "--seconds", "0.05",
                                          "--dim", "i=67",         "--dim",     "j=150",
                                          "--dim", "k=90",         "--threads", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return run_tessera(more);
  };
  const CommandResult tuned = with({"--tune", "1", "--json"});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const nlohmann::json json = tuned.json();
  EXPECT_GT(json["tried"], 0);
  EXPECT_GE(json["tune_s"], 0.5);
  EXPECT_GE(json["tuned_kernels"], 0);
  EXPECT_EQ(json["kernels"].size(), 1u);
  const CommandResult text = with({"--tune", "1"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("schedules tried for 1 kernels"));
  EXPECT_THAT(text.out, HasSubstr("in the median before tuning"));
  EXPECT_THAT(text.err, HasSubstr("kernel 1 of 1"));
  EXPECT_EQ(with({"--tune", "0"}).code, 2);
}

TEST(Test, CountsWhatRan) {
  const CommandResult one = run_tessera({"test", "--json", "-R", "^Junit\\.CountsEveryTestOnce$"});
  ASSERT_EQ(one.code, 0) << one.err;
  const nlohmann::json json = one.json();
  EXPECT_EQ(json["passed"], 1);
  EXPECT_EQ(json["failed"], 0);
  EXPECT_EQ(json["skipped"], 0);
  EXPECT_GE(json["seconds"], 0);
  EXPECT_EQ(json["failures"], nlohmann::json::array());
  EXPECT_THAT(one.err, HasSubstr("100% tests passed"));
}

TEST(Doctor, ReportsChecksAndVersions) {
  const CommandResult result = run_tessera({"doctor", "--json"});
  const nlohmann::json json = result.json();
  EXPECT_GE(json["checks"].size(), 6u);
  EXPECT_TRUE(json["versions"].contains("llvm"));
  // Root cannot call mpirun as the README's lines do, and is told.
  unsetenv("OMPI_ALLOW_RUN_AS_ROOT");
  const CommandResult user = run_tessera({"doctor"});
  EXPECT_THAT(user.out, HasSubstr(geteuid() == 0 ? "root: mpirun refuses when you call it yourself"
                                                 : "not root"));
}

}  // namespace
}  // namespace tessera
