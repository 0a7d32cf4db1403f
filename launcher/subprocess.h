#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

enum class OutputStream { out, err };

struct SubprocessOptions {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::map<std::string, std::string> environment;  // added to ours, or replacing
  // Called from wait() with whole lines, newline included; a last line may lack it, and a line over
  // 64 KiB comes in pieces. Without it the child shares our standard output and error.
  std::function<void(OutputStream, std::string_view)> on_output;
  // Signals to us that go on to the child's process group instead of having their effect on us, for
  // as long as the Subprocess lives: for instance SIGUSR1. At most one Subprocess at a time may
  // forward or end.
  std::vector<int> forward;
  // Signals to us that end the child instead of us, such as SIGINT and SIGHUP: the first sends
  // SIGTERM to its group, and SIGKILL follows with the second, or after `grace_seconds`.
  std::vector<int> ending;
  double grace_seconds = 5;
  // Called from wait() with each of those signals first: true when it has been seen to, and is to
  // have no other effect.
  std::function<bool(int number)> on_signal;
};

// How a process ended.
struct ExitStatus {
  bool signalled = false;
  int value = 0;  // exit code or signal number
  // As a shell counts: the exit code, or 128 + signal.
  int code() const { return signalled ? 128 + value : value; }
  // "exited with code 3", "was killed by signal 9 (Killed)"
  std::string text() const;
};

class SignalRelay;

// A child in its own process group, with /dev/null as input. Whatever of the group is left when the
// child has ended, or when this object goes, is killed: no orphans, no zombies. The child dies with
// us, however we end; and with the thread that started it, so that should be the main thread.
class Subprocess {
 public:
  // Starts it. Throws UserError when the program is not found or may not be executed, DeviceError
  // when the system has no room for another process.
  explicit Subprocess(SubprocessOptions options);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }

  // Serves output and signals until the child has ended, at most `seconds` long; nothing when it is
  // still running then. After the end it returns the same status again.
  std::optional<ExitStatus> wait(std::optional<double> seconds = std::nullopt);

  // Sends a signal to the whole group; nothing once the child has ended.
  void signal(int number);

  // SIGTERM to the group, SIGKILL after `grace_seconds`, and waits for the end.
  ExitStatus stop(double grace_seconds);

  // The last signal that was forwarded, or 0.
  int forwarded_signal() const { return forwarded_; }
  // The first one that asked for the child's end, or 0.
  int ending_signal() const { return ending_; }

 private:
  struct Pipe {
    int descriptor = -1;
    OutputStream stream = OutputStream::out;
    std::string pending;
  };

  void start();
  void pass_on_signals();
  void poll_once(int timeout_ms);
  void read_pipe(Pipe& pipe);
  void deliver(Pipe& pipe, bool at_end);
  void close_pipes();
  bool ended();
  void finish();

  SubprocessOptions options_;
  pid_t pid_ = -1;
  int exit_descriptor_ = -1;  // readable when the child has ended
  Pipe pipes_[2];
  std::unique_ptr<SignalRelay> relay_;
  std::optional<ExitStatus> status_;
  int forwarded_ = 0;
  int ending_ = 0;
  std::optional<std::chrono::steady_clock::time_point> kill_at_;  // when the grace is over
};

}  // namespace tessera
