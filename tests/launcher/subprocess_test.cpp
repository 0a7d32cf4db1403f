#include "launcher/subprocess.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "launcher/process_state.h"
#include "launcher/spawn.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

struct Collected {
  std::vector<std::string> out;
  std::vector<std::string> err;

  SubprocessOptions shell(const std::string& script) {
    SubprocessOptions options;
    options.argv = {"sh", "-c", script};
    options.on_output = [this](OutputStream stream, std::string_view line) {
      (stream == OutputStream::out ? out : err).emplace_back(line);
    };
    return options;
  }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Whether the process goes within two seconds.
bool goes_away(pid_t pid) {
  for (int i = 0; i < 200; ++i) {
    const std::string state = read_text("/proc/" + std::to_string(pid) + "/stat");
    if (state.empty() || state.find(") Z") != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(Subprocess, GivesOutputLineByLineAndTheExitCode) {
  Collected text;
  Subprocess child(text.shell("echo one; echo two >&2; printf three; exit 7"));
  const ExitStatus status = *child.wait();
  EXPECT_EQ(status.code(), 7);
  EXPECT_EQ(status.text(), "exited with code 7");
  EXPECT_EQ(text.out, (std::vector<std::string>{"one\n", "three"}));
  EXPECT_EQ(text.err, std::vector<std::string>{"two\n"});
  EXPECT_EQ(child.wait()->code(), 7);
}

TEST(Subprocess, SetsTheEnvironmentAndClosesTheInput) {
  setenv("TESSERA_KEPT", "kept", 1);
  Collected text;
  SubprocessOptions options = text.shell("echo $TESSERA_KEPT $TESSERA_NEW; cat; echo done");
  options.environment = {{"TESSERA_NEW", "a b"}};
  Subprocess child(std::move(options));
  child.wait();
  EXPECT_EQ(text.out, (std::vector<std::string>{"kept a b\n", "done\n"}));
}

TEST(Subprocess, TakesMuchOutput) {
  Collected text;
  Subprocess child(text.shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"));
  EXPECT_EQ(child.wait()->code(), 0);
  ASSERT_EQ(text.out.size(), 20000u);
  EXPECT_EQ(text.out.back(), "line 19999\n");
}

TEST(Subprocess, ALongLineComesInPieces) {
  Collected text;
  Subprocess child(text.shell("head -c 300000 /dev/zero | tr '\\0' x"));
  child.wait();
  size_t total = 0;
  for (const std::string& piece : text.out) total += piece.size();
  EXPECT_EQ(total, 300000u);
  EXPECT_GT(text.out.size(), 1u);
}

TEST(Subprocess, SaysWhatCannotBeStarted) {
  EXPECT_EQ(message_of<UserError>([] {
              Subprocess child({{"no-such-program"}, {}, {}, {}, {}});
            }),
            "cannot start `no-such-program`: No such file or directory; is it installed and in "
            "PATH?");
  EXPECT_EQ(message_of<UserError>([] {
              Subprocess child({{"/etc/passwd"}, {}, {}, {}, {}});
            }),
            "cannot start `/etc/passwd`: Permission denied; is it installed and in PATH?");
}

TEST(Subprocess, WaitTimesOut) {
  Collected text;
  Subprocess child(text.shell("sleep 30"));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(child.wait(0.1).has_value());
  EXPECT_LT(seconds_since(start), 2);
  EXPECT_EQ(child.stop(5).text(), "was killed by signal 15 (Terminated)");
}

TEST(Subprocess, StopKillsWhatDoesNotListen) {
  Collected text;
  Subprocess child(text.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  while (text.out.empty()) child.wait(0.01);
  EXPECT_EQ(child.stop(0.2).code(), 128 + SIGKILL);
}

TEST(Subprocess, TheWholeGroupGoes) {
  Collected text;
  pid_t grandchild = 0;
  pid_t child_pid = 0;
  {
    Subprocess child(text.shell("sleep 100 & echo $!; wait"));
    while (text.out.empty()) child.wait(0.01);
    grandchild = std::stoi(text.out[0]);
    child_pid = child.pid();
    EXPECT_EQ(getpgid(grandchild), child_pid);
  }
  EXPECT_TRUE(goes_away(grandchild));
  EXPECT_EQ(waitpid(child_pid, nullptr, WNOHANG), -1) << "no zombie is left";
  EXPECT_EQ(errno, ECHILD);
}

TEST(Subprocess, AnEndedLeaderTakesItsGroupAlong) {
  Collected text;
  Subprocess child(text.shell("sleep 100 & echo $!"));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(child.wait()->code(), 0);
  EXPECT_LT(seconds_since(start), 5);
  EXPECT_TRUE(goes_away(std::stoi(text.out.at(0))));
}

TEST(Subprocess, AnEscapedProcessDoesNotHoldUpTheEnd) {
  Collected text;
  Subprocess child(text.shell("setsid sleep 3 & sleep 0.2; echo started"));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(child.wait()->code(), 0);
  EXPECT_LT(seconds_since(start), 2.5);
  EXPECT_EQ(text.out, std::vector<std::string>{"started\n"});
}

TEST(Subprocess, ForwardsSignals) {
  Collected text;
  SubprocessOptions options =
      text.shell("trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.02; done");
  options.forward = {SIGUSR1};
  struct sigaction before {};
  sigaction(SIGUSR1, nullptr, &before);
  {
    Subprocess child(std::move(options));
    while (text.out.empty()) child.wait(0.01);
    EXPECT_THROW(Subprocess({{"true"}, {}, {}, {SIGUSR1}, {}}), InternalError);
    raise(SIGUSR1);
    EXPECT_EQ(child.wait(10)->code(), 9);
    EXPECT_EQ(child.forwarded_signal(), SIGUSR1);
  }
  EXPECT_EQ(text.out, (std::vector<std::string>{"ready\n", "got\n"}));
  struct sigaction after {};
  sigaction(SIGUSR1, nullptr, &after);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
}

TEST(Subprocess, ASignalEndsTheChildAndTheSecondOneKillsIt) {
  Collected text;
  SubprocessOptions polite =
      text.shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done");
  polite.ending = {SIGHUP, SIGINT};
  {
    Subprocess child(std::move(polite));
    while (text.out.empty()) child.wait(0.01);
    raise(SIGHUP);
    EXPECT_EQ(child.wait(10)->code(), 4);
    EXPECT_EQ(child.ending_signal(), SIGHUP);
  }
  SubprocessOptions deaf = text.shell("trap '' TERM; echo ready; while :; do sleep 0.02; done");
  deaf.ending = {SIGINT};
  deaf.grace_seconds = 600;
  text.out.clear();
  Subprocess child(std::move(deaf));
  while (text.out.empty()) child.wait(0.01);
  raise(SIGINT);
  EXPECT_FALSE(child.wait(0.1).has_value());
  raise(SIGINT);
  EXPECT_EQ(child.wait(10)->code(), 128 + SIGKILL);
}

TEST(Subprocess, AStoppedChildIsKilledWhenTheGraceIsOver) {
  Collected text;
  SubprocessOptions options = text.shell("echo ready; sleep 100");
  options.ending = {SIGTERM};
  options.grace_seconds = 0.1;
  Subprocess child(std::move(options));
  while (text.out.empty()) child.wait(0.01);
  child.signal(SIGSTOP);
  while (!process_state(child.pid())->stopped()) child.wait(0.01);
  raise(SIGTERM);
  EXPECT_EQ(child.wait(10)->code(), 128 + SIGKILL);
}

// A process that starts one and is killed.
TEST(Subprocess, DiesWithTheProcessThatStartedIt) {
  PipeEnds numbers;
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t child = spawn({{"sleep", "100"}, {}, -1, -1});
    if (write(numbers.write, &child, sizeof child) != sizeof child) _exit(1);
    pause();
    _exit(0);
  }
  pid_t child = 0;
  ASSERT_EQ(read(numbers.read, &child, sizeof child), static_cast<ssize_t>(sizeof child));
  EXPECT_TRUE(process_state(child).has_value());
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(goes_away(child));
}

TEST(Subprocess, LeavesNoDescriptors) {
  const auto count = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = count();
  for (int i = 0; i < 5; ++i) {
    Collected text;
    SubprocessOptions options = text.shell("echo x");
    options.forward = {SIGUSR2};
    Subprocess(std::move(options)).wait();
    message_of<UserError>([&] {
      SubprocessOptions missing = text.shell("");
      missing.argv = {"no-such-program"};
      Subprocess child(std::move(missing));
    });
  }
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace tessera
