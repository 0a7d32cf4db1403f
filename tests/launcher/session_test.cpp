#include "launcher/session.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/error.h"
#include "ir/interpret.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"

namespace tessera {
namespace {

template <typename Kind>
void fail(const std::string& text) {
  throw Kind(text);
}

// What a program does whose main lets an exception out.
template <typename Kind>
void leave_main_by(const std::string& text) noexcept {
  char name[] = "program";
  char* argv[] = {name, nullptr};
  Session session(1, argv);
  fail<Kind>(text);
}

TEST(SessionDeathTest, AnErrorThatNobodyCatchesEndsWithItsExitCode) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  using testing::ExitedWithCode;
  EXPECT_EXIT(leave_main_by<UserError>("no dim `z`"), ExitedWithCode(2), "^tessera: no dim `z`\n$");
  EXPECT_EXIT(leave_main_by<CommError>("rank 1 is gone"), ExitedWithCode(3), "rank 1 is gone");
  EXPECT_EXIT(leave_main_by<DeviceError>("the disk is full"), ExitedWithCode(1), "disk is full");
  EXPECT_EXIT(leave_main_by<std::runtime_error>("not ours"), testing::KilledBySignal(SIGABRT),
              "not ours");
}

TEST(Session, RunsOnTheDeviceThatIsAskedFor) {
  const Program program =
      parse("program p\ndim n = 100, k = 30\ninput x[n, k]\ny = sum[k](x * tanh(x))\noutput y\n");
  const Arrays inputs = random_inputs(program, 1);
  Arrays state;
  const Array wanted = interpret(program, inputs, state).at("y");
  for (const char* device : {"cpu", "simulated"}) {
    std::vector<std::string> words = {"program", "--device", device, "--threads", "1"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    Session session(static_cast<int>(argv.size()), argv.data());
    Executable step = session.compile(program);
    step.feed("x", inputs.at("x"));
    step.run();
    const Array found = step.output("y");
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(found.get(i), wanted.get(i), 1e-4) << device << " " << i;
  }
}

TEST(SessionDeathTest, AWrongCommandLineEndsWithCode2) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto run = []() noexcept {
    char name[] = "program";
    char option[] = "--memory";
    char value[] = "abc";
    char* argv[] = {name, option, value, nullptr};
    Session session(3, argv);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(2),
              "^tessera: --memory takes a size such as 512MiB, 2GiB or a number of bytes, not "
              "`abc`\n$");
}

}  // namespace
}  // namespace tessera
