#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "comm/local/local_group.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/stack_loops.h"
#include "launcher/trace_events.h"
#include "launcher/trace_file.h"
#include "launcher/tracing.h"
#include "partition/manual_plan.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

const char* const kHead = R"({"tessera_trace":1,"program":"p","ranks":2,"first_step":3,"steps":1})"
                          "\n";

// A step of 10 us: a kernel, a collective that rank 1 comes to late, a kernel that waits for it.
std::string rank_line(int rank, int late) {
  nlohmann::json json = {
      {"rank", rank},
      {"host", "h"},
      {"process", 1},
      {"clock_error_seconds", 1e-6},
      {"lost", 0},
      {"tasks",
       {{{"name", "a"}, {"kind", "compute"}, {"where", "p.tess:3:1"}, {"predicted_seconds", 2e-6}},
        {{"name", "all-reduce a"}, {"kind", "communicate"}, {"bytes", 64}, {"group", {0, 1}}},
        {{"name", "b"}, {"kind", "compute"}}}},
      {"computing",
       {{3, 0, -1, 0, 0, 2000 + late},
        {3, 2, -1, 2000 + late, 6000, 9000},
        {3, -1, -1, 9000, 10000, 10000}}},
      {"communicating", {{3, 1, -1, 0, 2000 + late, 6000}}},
      {"job", {{3, "step", 0, 10000}}}};
  return json.dump() + "\n";
}

TEST(TraceFile, SumsUpWhatRanksDid) {
  const TempFolder folder;
  folder.write("trace.jsonl", kHead + rank_line(0, 0) + rank_line(1, 1500));
  const Trace trace = read_trace(folder.path());
  ASSERT_EQ(trace.ranks.size(), 2u);
  const RankTimes first = times_of(trace, 0);
  EXPECT_DOUBLE_EQ(first.step, 10e-6);
  EXPECT_DOUBLE_EQ(first.computing, 5e-6);
  EXPECT_DOUBLE_EQ(first.waiting, 5e-6);
  EXPECT_DOUBLE_EQ(first.communicating, 4e-6);
  EXPECT_DOUBLE_EQ(first.for_peers, 1.5e-6);
  EXPECT_DOUBLE_EQ(times_of(trace, 1).for_peers, 0);
  EXPECT_EQ(gatherings_of(trace, 0).at(0).last, 1);
}

TEST(TraceFile, BecomesATimelineWithWaitsAndLines) {
  const TempFolder folder;
  const std::string file =
      folder.write("trace.jsonl", kHead + rank_line(0, 0) + rank_line(1, 1500));
  const nlohmann::json json = nlohmann::json::parse(trace_events(read_trace(file)));
  std::vector<nlohmann::json> spans;
  for (const nlohmann::json& event : json["traceEvents"])
    if (event["ph"] == "X" && event["pid"] == 0) spans.push_back(event);
  ASSERT_EQ(spans.size(), 6u);
  EXPECT_EQ(spans[1].dump(),
            R"({"args":{"predicted_us":2.0,"source":"p.tess:3:1","step":3},"cat":"compute",)"
            R"("dur":2.0,"name":"a","ph":"X","pid":0,"tid":2,"ts":0.0})");
  EXPECT_EQ(spans[2].dump(),
            R"({"args":{"step":3},"cat":"wait","dur":4.0,)"
            R"("name":"wait for all-reduce a","ph":"X","pid":0,"tid":2,"ts":2.0})");
  EXPECT_EQ(spans[5].dump(),
            R"({"args":{"bytes":64,"last_to_come":"rank 1","step":3,"waited_for_it_us":1.5},)"
            R"("cat":"communicate","dur":4.0,"name":"all-reduce a","ph":"X","pid":0,"tid":3,)"
            R"("ts":2.0})");
}

TEST(TraceFile, SaysWhatIsWrongWithIt) {
  const TempFolder folder;
  const auto error = [&] { return message_of<UserError>([&] { read_trace(folder.path()); }); };
  EXPECT_EQ(error(), folder / "trace.jsonl" +
                         ": is not there; `tessera run CONFIG --trace` records a trace, into the "
                         "run's folder");
  folder.write("trace.jsonl", "");
  EXPECT_EQ(error(),
            folder / "trace.jsonl" + ": holds no step of any rank; record the trace again");
  folder.write("trace.jsonl", std::string(kHead) + "{}\n");
  EXPECT_THAT(error(), HasSubstr("trace.jsonl:2: is no line of a trace, as `tessera run --trace` "
                                 "writes it: "));
  nlohmann::json wrong = nlohmann::json::parse(rank_line(0, 0));
  wrong["computing"][0][1] = 7;
  folder.write("trace.jsonl", kHead + wrong.dump() + "\n");
  EXPECT_THAT(error(), HasSubstr("trace.jsonl:2: is no line of a trace, as `tessera run --trace` "
                                 "writes it: a span names task 7 of 3"));
}

// Clocks of other names are measured against each other, as those of other machines are.
TEST(Tracing, PutsRanksOnOneTimeline) {
  const Program program = parse(
      "program p\ndim k = 4096\ninput x[k]\nparam w[k] = 1.0\npin x[k: data]\n"
      "loss = sum[k](x * w * w)\nupdate w = w - 0.001 * grad(loss, w)\noutput loss\n");
  const Program normal = stack_loops(normalize(program));
  const Plan plan = manual_plan(normal, Mesh{{{"data", 2}}}, {});
  std::string text;
  run_local_ranks(2, {}, [&](Communicator& world) {
    RankClock clock = steady_rank_clock();
    clock.name = std::to_string(world.rank());
    Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
    Executable step(normal, plan, compiler, world, {1, {}});
    step.initialize(1);
    Tracing tracing({.steps = 3, .from = 2}, world, clock);
    for (int s = 0; s < 6; ++s) {
      tracing.before(s, step);
      step.feed("x", make_array(DType::f32, {4096}));
      const double begin = seconds_of_clock();
      step.run();
      tracing.span("step", begin, seconds_of_clock());
      if (tracing.after(s, step)) {
        const std::string mine = tracing.take(step, {});
        if (world.rank() == 0) text = mine;
      }
    }
  });
  const TempFolder folder;
  const Trace trace = read_trace(folder.write("t.jsonl", text));
  EXPECT_EQ(trace.first_step, 2);
  EXPECT_EQ(trace.steps, 3);
  ASSERT_EQ(trace.ranks.size(), 2u);
  for (size_t r = 0; r < 2; ++r) {
    const TracedRank& rank = trace.ranks[r];
    ASSERT_EQ(rank.job.size(), 3u);
    ASSERT_FALSE(rank.communicating.empty());
    const auto error = static_cast<int64_t>(2e9 * trace.ranks[1].clock_error_seconds) + 2;
    for (size_t i = 0; i < rank.communicating.size(); ++i)
      // Nobody has the sum before everybody has come.
      EXPECT_GE(rank.communicating[i].end + error, gatherings_of(trace, r)[i].begin);
    for (const TracedSpan& span : rank.computing) {
      EXPECT_LE(span.ready, span.begin);
      EXPECT_LE(span.begin, span.end);
      EXPECT_GE(span.ready, rank.job[static_cast<size_t>(span.step - 2)].begin);
      EXPECT_LE(span.end, rank.job[static_cast<size_t>(span.step - 2)].end);
    }
  }
}

}  // namespace
}  // namespace tessera
