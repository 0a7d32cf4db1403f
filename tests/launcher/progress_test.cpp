#include "launcher/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "launcher/interpret_report.h"
#include "launcher/planning_report.h"

namespace tessera {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Progress, DrawsABarThatFits) {
  ProgressState state{"train", 468, 1117, 5.8, 81.26, 0.43121};
  ProgressStyle style{true, false, 90, 0.1, 10};
  EXPECT_EQ(
      render_bar(state, style),
      "train  41% [############                 ] 468/1,117  81.3 steps/s  0:08 left  loss 0.4312");
  for (const int columns : {10, 30, 60, 62, 64, 80, 200}) {
    style.columns = columns;
    EXPECT_LE(render_bar(state, style).size(), static_cast<size_t>(columns));
  }
  style.colour = true;
  style.columns = 80;
  const std::string coloured = render_bar(state, style);
  EXPECT_NE(coloured.find("\x1b[32m"), std::string::npos);
  EXPECT_EQ(coloured.size(), 80u + std::string("\x1b[32m\x1b[0m").size());
}

TEST(Progress, WritesPlainLines) {
  EXPECT_EQ(render_line({"train", 468, 1117, 5.8, 81.26, 0.43121}),
            "train: step 468/1,117, 81.3 steps/s, 0:08 left, loss 0.4312");
  EXPECT_EQ(render_line({"test", 1117, 1117, 65, 0.05, std::nullopt}),
            "test: step 1,117/1,117, 20.0 s/step, 1:05");
}

TEST(Progress, TellsTime) {
  EXPECT_EQ(clock_text(7.6), "0:08");
  EXPECT_EQ(clock_text(59.6), "1:00");
  EXPECT_EQ(clock_text(11105), "3:05:05");
  EXPECT_EQ(clock_text(-1), "0:00");
}

TEST(Progress, PlainLinesKeepTheirDistance) {
  std::string text;
  double now = 100;
  {
    Progress progress(
        "train", 10, {false, false, 80, 0.1, 4}, [&](const std::string& part) { text += part; },
        [&] { return now; });
    for (int step = 1; step <= 10; ++step) {
      now += 1;
      progress.update(step, step == 8 ? std::optional<double>(0.5) : std::nullopt);
    }
    progress.say("epoch 1: accuracy 0.9");
    progress.finish();
    progress.finish();
    progress.update(11);
  }
  EXPECT_EQ(text,
            "train: step 4/10, 1.0 steps/s, 0:06 left\n"
            "train: step 8/10, 1.0 steps/s, 0:02 left, loss 0.5000\n"
            "epoch 1: accuracy 0.9\n"
            "train: step 10/10, 1.0 steps/s, 0:10, loss 0.5000\n");
}

TEST(Progress, ABarIsRedrawnInPlace) {
  std::string text;
  double now = 0;
  {
    Progress progress(
        "t", 4, {true, false, 50, 0.1, 4}, [&](const std::string& part) { text += part; },
        [&] { return now; });
    progress.update(1);  // too soon
    now = 1;
    progress.update(2);
    progress.say("hello");
  }
  const std::string bar = "\r\x1b[Kt  50% [######       ] 2/4  2.0 steps/s  0:01 left";
  EXPECT_EQ(text, bar + "\r\x1b[Khello\n" + bar + "\n");
}

TEST(Progress, HonoursTheEnvironment) {
  setenv("COLUMNS", "47", 1);
  setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(style_of_stderr().columns, 47);
  EXPECT_FALSE(style_of_stderr().colour);
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(style_of_stderr().terminal);
  unsetenv("COLUMNS");
  unsetenv("NO_COLOR");
}

// Waits until `text` has been written `count` times, or for ten seconds.
class Lines {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    all_ += text;
    ++count_;
    more_.notify_one();
  }
  std::string wait_for(int count) {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, std::chrono::seconds(10), [&] { return count_ >= count; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::string all_;
  int count_ = 0;
};

TEST(PlanningReport, SaysWhatTheSearchDoes) {
  Lines lines;
  PlanningReport report(
      {false, false, 80, 0.1, 0.01}, [&](const std::string& text) { lines.add(text); }, 0.01);
  report.update({"mesh 3 of 12 (data=8,model=8): searching", 0.0182});
  EXPECT_THAT(lines.wait_for(3), HasSubstr("planning, 0:00: mesh 3 of 12 (data=8,model=8): "
                                           "searching, best plan so far 18.2 ms\n"));
}

TEST(PlanningReport, RedrawsOnATerminalAndGoesAway) {
  Lines lines;
  {
    PlanningReport report(
        {true, false, 20, 0.1, 10}, [&](const std::string& text) { lines.add(text); }, 0.01);
    report.update({"mesh 3 of 12 (data=8,model=8): searching", {}});
    lines.wait_for(2);
  }
  const std::string all = lines.wait_for(3);
  EXPECT_THAT(all, HasSubstr("\r\x1b[Kplanning, 0:00: mesh"));
  EXPECT_THAT(all, Not(HasSubstr("planning, 0:00: mesh ")));
  EXPECT_THAT(all, EndsWith("\r\x1b[K"));
}

TEST(PlanningReport, IsSilentAboutShortSearches) {
  Lines lines;
  {
    PlanningReport report({}, [&](const std::string& text) { lines.add(text); });
  }
  EXPECT_EQ(lines.wait_for(0), "");
}

TEST(InterpretReport, SaysHowLongItWillTakeWhereThatIsLong) {
  for (const double rate : {1e6, 1e9}) {  // operations a second
    std::string text;
    double now = 100;
    InterpretReport report(
        {false, false, 80, 0.1, 10}, [&](const std::string& part) { text += part; },
        [&] { return now; });
    for (double done = 0; done <= 15 * rate; done += rate / 2, now += 0.5) report.update(done, 3e9);
    EXPECT_EQ(text, rate > 1e6 ? ""
                               : "the interpreter needs about 50:00 for 3e+09 operations (1e+06 a "
                                 "second); without --interpret, compiled kernels take a fraction "
                                 "of that\ninterpret: step 3/1,000, 0.2 steps/s, 1:14:47 left\n");
  }
}

}  // namespace
}  // namespace tessera
