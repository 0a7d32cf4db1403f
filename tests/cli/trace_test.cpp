#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "storage/npy.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kConfigs = std::string(TESSERA_SOURCE_DIR) + "/configs/";

// A regression on two ranks that reduce its gradient.
struct TracedJob : TestFolder {
  TracedJob() {
    write("fit.tess",
          "program fit\ndim batch = 64, k = 256\ninput x[batch, k]\ninput y[batch]\n"
          "param w[k] = 0.01\npin x[batch: data]\n"
          "guess = sum[k](x * w)\nloss = mean[batch]((guess - y) * (guess - y))\noutput loss\n"
          "update w = w - 0.001 * grad(loss, w)\n");
    Array x = make_array(DType::f32, {640, 256});
    for (size_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i * 37 % 19) / 19 - 0.5);
    write_npy(file("x.npy"), x);
    write_npy(file("y.npy"), make_array(DType::f32, {640}));
    write("fit.yaml",
          "program: {file: fit.tess}\ndata: {inputs: {x: x.npy, y: y.npy}}\n"
          "cluster: {ranks: 2}\nplan: {mesh: {data: 2}}\n");
  }
  CommandResult run(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"run", file("fit.yaml"), "output.dir=" + file(out)};
    words.insert(words.end(), more.begin(), more.end());
    return run_tessera(words);
  }
};

TEST(Trace, ShowsAllRanksOnOneTimeline) {
  const TracedJob job;
  for (const std::string transport : {"local", "mpi"}) {
    const CommandResult run = job.run(transport, {"cluster.transport=" + transport, "--trace=4"});
    ASSERT_EQ(run.code, 0) << run.err;
    const CommandResult trace = run_tessera({"trace", job.file(transport)});
    ASSERT_EQ(trace.code, 0) << trace.err;
    EXPECT_THAT(trace.out,
                HasSubstr("trace of fit, steps 3 to 6, in " + job.file(transport + "/trace.json")));
    const nlohmann::json json =
        nlohmann::json::parse(read_text(job.file(transport + "/trace.json")));
    std::map<int, std::set<std::string>> names;
    std::map<int, std::vector<nlohmann::json>> reduced;
    std::map<std::pair<int, int>, double> end;  // of a track
    for (const nlohmann::json& event : json["traceEvents"]) {
      if (event["ph"] != "X") continue;
      const int rank = event["pid"];
      const int track = event["tid"];
      names[rank].insert(event["name"]);
      if (event["name"] == "all-reduce d_w") reduced[rank].push_back(event);
      // What is on one track comes one after the other; times are rounded to nanoseconds.
      if (track != 1) {
        EXPECT_GE(event["ts"].get<double>(), (end[{rank, track}]) - 0.002);
        end[{rank, track}] = event["ts"].get<double>() + event["dur"].get<double>();
      }
    }
    ASSERT_EQ(names.size(), 2u);
    for (int rank : {0, 1}) {
      for (const char* name : {"feed", "step 3", "step 6", "outputs", "w_next"})
        EXPECT_EQ(names[rank].count(name), 1u) << name << " of rank " << rank;
      ASSERT_EQ(reduced[rank].size(), 4u) << "the collective of each step";
      EXPECT_THAT(reduced[rank][0]["args"]["source"].get<std::string>(), HasSubstr("fit.tess:"));
    }
    // Nobody has the sum of all before everybody has come.
    for (size_t i = 0; i < 4; ++i)
      for (int rank : {0, 1})
        EXPECT_GE(reduced[rank][i]["ts"].get<double>() + reduced[rank][i]["dur"].get<double>(),
                  reduced[1 - rank][i]["ts"].get<double>());
    const CommandResult summed = run_tessera({"trace", job.file(transport), "--json"});
    const nlohmann::json sums = summed.json();
    ASSERT_EQ(sums["ranks"].size(), 2u);
    for (const nlohmann::json& rank : sums["ranks"]) {
      EXPECT_GT(rank["computing_seconds"], 0);
      EXPECT_GE(rank["exposed_seconds"], 0);
      EXPECT_LE(rank["computing_seconds"].get<double>() + rank["exposed_seconds"].get<double>(),
                1.01 * rank["step_seconds"].get<double>());
    }
  }
}

TEST(Trace, EndsWithARunThatHasFewerSteps) {
  const TracedJob job;
  ASSERT_EQ(job.run("out", {"train.steps=4", "train.trace={from: 2, steps: 100}"}).code, 0);
  EXPECT_THAT(run_tessera({"trace", job.file("out")}).out, HasSubstr("steps 2 to 4"));
}

TEST(Trace, IsNotThereUnlessItIsAskedFor) {
  const TracedJob job;
  ASSERT_EQ(job.run("out", {"train.steps=4"}).code, 0);
  EXPECT_FALSE(fs::exists(job.file("out/trace.jsonl")));
  const CommandResult trace = run_tessera({"trace", job.file("out")});
  EXPECT_EQ(trace.code, 2);
  EXPECT_EQ(trace.err, "tessera: " + job.file("out/trace.jsonl") +
                           ": is not there; `tessera run CONFIG --trace` records a trace, into the "
                           "run's folder\n");
}

TEST(Report, IsOnePageThatNeedsNothingElse) {
  const TracedJob job;
  ASSERT_EQ(job.run("out", {"--trace", "cluster.transport=local", "train.epochs=3"}).code, 0);
  const CommandResult report = run_tessera({"report", job.file("out") + "/"});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_EQ(report.out, "report in " + job.file("out/report.html") +
                            ": open it in a browser; it needs no other file\n");
  const std::string page = read_text(job.file("out/report.html"));
  for (const char* part :
       {"<h1>fit</h1>", "Metrics", "Throughput", "Tasks: predicted against measured",
        "all-reduce d_w", "fit.tess:", "Where ranks waited", "memory of rank 0's process", "Plan",
        "proven lower bound", "Host", "processor", "config.yaml", "<svg "})
    EXPECT_THAT(page, HasSubstr(part));
  for (const char* part : {"http:", "https:", "<script", "src=", "@import", "url("})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  const CommandResult elsewhere =
      run_tessera({"report", job.file("out"), "--out", job.file("page.html"), "--json"});
  EXPECT_EQ(elsewhere.json()["file"], job.file("page.html"));
  EXPECT_EQ(read_text(job.file("page.html")), page);
}

TEST(Report, IsMadeOfARunThatFailedToo) {
  const TracedJob job;
  job.write("fit.tess",
            "program fit\ndim batch = 64, k = 256\ninput x[batch, k]\ninput y[batch]\n"
            "param w[k] = 0.01\nloss = mean[batch](log(sum[k](x * w) - y))\noutput loss\n"
            "update w = w - 0.001 * grad(loss, w)\n");
  ASSERT_EQ(job.run("out", {}).code, 1);
  const CommandResult report = run_tessera({"report", job.file("out")});
  ASSERT_EQ(report.code, 0) << report.err;
  const std::string page = read_text(job.file("out/report.html"));
  EXPECT_THAT(page, HasSubstr("No numbers to draw."));
  EXPECT_THAT(page, HasSubstr("The run has left no times of tasks"));
}

TEST(Report, OfAPlanNeedsNothingElse) {
  const TestFolder folder;
  const std::string file = folder.file("plan.html");
  const CommandResult result =
      run_tessera({"plan", kConfigs + "quickstart.yaml", "--devices", "8", "--report", file});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string page = read_text(file);
  for (const char* part : {"The predicted step", "Memory over the step", "Where each tensor lives",
                           "Communication, and why", "<svg", "</html>"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
}

TEST(Report, OfAPlanForAMeshOfOneDevice) {
  const TestFolder folder;
  const std::string file = folder.file("plan.html");
  const CommandResult result = run_tessera({"plan", kConfigs + "quickstart.yaml", "--devices", "1",
                                            "--mesh", "data=1", "--report", file});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(read_text(file), HasSubstr("<td>data</td>"));
}

TEST(Report, SaysWhatItTakes) {
  const TestFolder folder;
  EXPECT_EQ(run_tessera({"report", folder.path()}).err,
            "tessera: " + folder.file("metrics.jsonl") +
                ": is not there; `tessera report` takes the folder of a run, as output.dir names "
                "it, once the first step is done\n");
  folder.write("metrics.jsonl", "{\"step\":1,\"loss\":2}\nloss 3\n{\"step\":2}\n");
  const CommandResult damaged = run_tessera({"report", folder.path()});
  EXPECT_EQ(damaged.code, 2);
  EXPECT_THAT(damaged.err, HasSubstr("metrics.jsonl:2: is no line of metrics, as a run writes "
                                     "them: "));
  folder.write("metrics.jsonl", "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
  EXPECT_EQ(run_tessera({"report", folder.path()}).code, 0) << "the last line is being written";
}

}  // namespace
}  // namespace tessera
