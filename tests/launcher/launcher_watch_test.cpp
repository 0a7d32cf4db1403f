#include "launcher/launcher_watch.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <future>

#include "launcher/subprocess.h"

namespace tessera {
namespace {

SubprocessOptions sleeper() {
  SubprocessOptions options;
  options.argv = {"sleep", "100"};
  return options;
}

WatchedProcess watched(const Subprocess& process) {
  return {process.pid(), process_state(process.pid()).value().started};
}

TEST(LauncherWatch, SaysThatTheProcessIsGone) {
  Subprocess launcher(sleeper());
  std::promise<WatchEnd> end;
  const LauncherWatch watch(watched(launcher), 60, [&](WatchEnd how) { end.set_value(how); });
  launcher.signal(SIGKILL);
  EXPECT_EQ(end.get_future().get(), WatchEnd::gone);
}

TEST(LauncherWatch, AnotherProcessOfTheSameNumberIsNotTheLauncher) {
  const Subprocess other(sleeper());
  std::promise<WatchEnd> end;
  const LauncherWatch watch({other.pid(), watched(other).started - 1}, 60,
                            [&](WatchEnd how) { end.set_value(how); });
  EXPECT_EQ(end.get_future().get(), WatchEnd::gone);
}

TEST(LauncherWatch, SaysThatTheProcessIsStoppedForLong) {
  Subprocess launcher(sleeper());
  std::promise<WatchEnd> end;
  const LauncherWatch watch(watched(launcher), 0.3, [&](WatchEnd how) { end.set_value(how); });
  launcher.signal(SIGSTOP);
  EXPECT_EQ(end.get_future().get(), WatchEnd::stopped);
}

TEST(LauncherWatch, ForgivesAShortStop) {
  Subprocess launcher(sleeper());
  std::promise<WatchEnd> end;
  std::future<WatchEnd> ended = end.get_future();
  {
    const LauncherWatch watch(watched(launcher), 60, [&](WatchEnd how) { end.set_value(how); });
    launcher.signal(SIGSTOP);
    EXPECT_EQ(ended.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
    launcher.signal(SIGCONT);
  }
  EXPECT_EQ(ended.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

}  // namespace
}  // namespace tessera
