#include "launcher/bench/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/read_file.h"
#include "launcher/json_text.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostLogBytes = size_t{1} << 20;
constexpr size_t kShownLogBytes = 600;
constexpr double kEndSeconds = 5;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment() {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.rfind("OPENBLAS_CORETYPE=", 0) != 0 && text.rfind("OPENBLAS_L2_SIZE=", 0) != 0)
      result.push_back(text);
  }
  result.push_back("PYTHONDONTWRITEBYTECODE=1");  // nothing is left beside the suites
  return result;
}

}  // namespace

PeerProcess::PeerProcess(const std::vector<std::string>& argv, std::string log)
    : name_(argv.at(0)), log_(std::move(log)) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) throw DeviceError("cannot make a pipe for " + name_);
  if (::pipe2(out, O_CLOEXEC) != 0) {
    ::close(in[0]);
    ::close(in[1]);
    throw DeviceError("cannot make a pipe for " + name_);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &handled);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words = argv, variables = environment();
  const int error = ::posix_spawnp(&pid_, name_.c_str(), &actions, &attributes,
                                   pointers(words).data(), pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  in_ = in[1];
  out_ = out[0];
  if (error == 0) return;
  ::close(in_);
  ::close(out_);
  throw UserError("cannot start " + name_ + ": " + std::strerror(error));
}

PeerProcess::~PeerProcess() {
  ::close(in_);
  ::close(out_);
  const Clock::time_point start = Clock::now();
  while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (std::chrono::duration<double>(Clock::now() - start).count() > kEndSeconds) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void PeerProcess::give_up(const std::string& what) {
  std::string text = read_regular_file(log_, kMostLogBytes).value_or("");
  if (text.size() > kShownLogBytes) text = "…" + text.substr(text.size() - kShownLogBytes);
  throw UserError("the peer " + name_ + " " + what + (text.empty() ? "" : "; it says:\n" + text));
}

std::string PeerProcess::read_line(double seconds) {
  const Clock::time_point start = Clock::now();
  for (;;) {
    if (const size_t end = pending_.find('\n'); end != std::string::npos) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    const double left = seconds - std::chrono::duration<double>(Clock::now() - start).count();
    if (left <= 0) {
      ::kill(pid_, SIGKILL);
      give_up("did not answer within " + std::to_string(static_cast<int>(seconds)) + " s");
    }
    pollfd entry = {out_, POLLIN, 0};
    if (::poll(&entry, 1, static_cast<int>(1e3 * left) + 1) <= 0) continue;
    char buffer[1 << 16];
    const ssize_t got = ::read(out_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) give_up("ended before it answered");
    pending_.append(buffer, static_cast<size_t>(got));
  }
}

nlohmann::json PeerProcess::ask(const nlohmann::json& request, double seconds) {
  const std::string text = json_text(request) + "\n";
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t wrote = ::write(in_, text.data() + sent, text.size() - sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) give_up("has ended");
    sent += static_cast<size_t>(wrote);
  }
  const std::string line = read_line(seconds);
  const nlohmann::json reply = nlohmann::json::parse(line, nullptr, false);
  if (!reply.is_object()) give_up("answers `" + line.substr(0, 200) + "`, which is no JSON object");
  return reply;
}

}  // namespace tessera
