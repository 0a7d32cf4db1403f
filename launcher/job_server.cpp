#include "launcher/job_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "launcher/exit_code.h"
#include "launcher/hosts.h"
#include "launcher/process_state.h"
#include "launcher/spawn.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSign = std::chrono::milliseconds(500);
constexpr int kPollMilliseconds = 100;
constexpr size_t kMostStrangers = 64;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

RankError error_of(int rank, const std::string& text) {
  RankError error{rank, kJobFailed, ""};
  std::istringstream stream(text);
  stream >> error.code;
  stream.get();
  std::getline(stream, error.text, '\0');
  return error;
}

}  // namespace

JobServer::JobServer(int ranks, bool several_hosts, const std::string& folder, double silence)
    : ranks_(static_cast<size_t>(ranks)) {
  address_.token = random_token();
  address_.launcher = this_process();
  address_.silence = silence;
  socket_ = listen_for_ranks(folder, several_hosts, address_);
  thread_ = std::thread([this] { serve(); });
}

JobServer::~JobServer() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  thread_.join();
  close_descriptor(socket_);
}

void JobServer::serve() {
  auto next_sign = Clock::now();
  for (;;) {
    std::vector<pollfd> entries = {{socket_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      if (done_) return;
      for (const Rank& rank : ranks_)
        if (rank.wire)
          entries.push_back({rank.wire->descriptor(),
                             static_cast<int16_t>(rank.wire->unsent() ? POLLIN | POLLOUT : POLLIN),
                             0});
      for (const auto& wire : strangers_) entries.push_back({wire->descriptor(), POLLIN, 0});
    }
    ::poll(entries.data(), entries.size(), kPollMilliseconds);
    const std::lock_guard lock(mutex_);
    if ((entries[0].revents & POLLIN) != 0) accept_one();
    for (auto& wire : strangers_) greet(wire);
    std::erase_if(strangers_, [](const auto& wire) { return !wire || !wire->open(); });
    for (size_t r = 0; r < ranks_.size(); ++r) take(static_cast<int>(r), ranks_[r]);
    explain_when_known();
    if (Clock::now() < next_sign) continue;
    next_sign = Clock::now() + kSign;
    say({JobWord::alive, ""});
  }
}

void JobServer::accept_one() {
  const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
  if (accepted < 0) return;
  // Whoever does not say who it is cannot keep others out.
  if (strangers_.size() >= kMostStrangers + ranks_.size()) strangers_.erase(strangers_.begin());
  strangers_.push_back(std::make_unique<JobWire>(accepted));
}

// "TOKEN RANK PID STARTED HOST"
void JobServer::greet(std::unique_ptr<JobWire>& wire) {
  const std::vector<JobWord> words = wire->receive();
  if (words.empty()) return;
  std::istringstream said(words[0].text);
  std::string token;
  size_t number = 0;
  JobProcess process;
  const bool good = words[0].kind == JobWord::hello &&
                    (said >> token >> number >> process.pid >> process.started >> process.host) &&
                    token == address_.token && number < ranks_.size() && !ranks_[number].wire;
  if (!good) return wire->close();
  Rank& rank = ranks_[number];
  rank.wire = std::move(wire);
  rank.process = process;
  rank.heard = Clock::now();
  if (leave_ != 0) rank.wire->send({JobWord::leave, std::to_string(leave_)});
  for (size_t w = 1; w < words.size(); ++w)
    if (words[w].kind == JobWord::error)
      rank.error = error_of(static_cast<int>(number), words[w].text);
}

void JobServer::take(int number, Rank& rank) {
  if (!rank.wire) return;
  rank.wire->flush();
  for (const JobWord& word : rank.wire->receive()) {
    rank.heard = Clock::now();
    if (word.kind == JobWord::alive) {
      const size_t line = std::min(word.text.find('\n'), word.text.size());
      rank.steps = std::atoll(word.text.substr(0, line).c_str());
      rank.doing = word.text.substr(std::min(line + 1, word.text.size()));
    }
    if (word.kind == JobWord::error && !rank.error) rank.error = error_of(number, word.text);
  }
  if (rank.wire->open()) return;
  rank.wire.reset();
  if (!rank.error && !first_gone_) first_gone_ = number;
}

void JobServer::say(const JobWord& word) {
  for (Rank& rank : ranks_)
    if (rank.wire) rank.wire->send(word);
}

std::optional<int> JobServer::first_gone() const {
  const std::lock_guard lock(mutex_);
  return first_gone_;
}

void JobServer::ask_to_leave(int signal) {
  const std::lock_guard lock(mutex_);
  leave_ = signal;
  say({JobWord::leave, std::to_string(signal)});
}

// A rank with an error about a peer waits for the one that has the cause.
void JobServer::explain_when_known() {
  if (explained_) return;
  const std::optional<RankError> found = cause_locked();
  const bool all = std::all_of(ranks_.begin(), ranks_.end(),
                               [](const Rank& rank) { return rank.error.has_value(); });
  explained_ = found && (found->code != kPeerFailed || all);
  if (explained_) say({JobWord::explained, ""});
}

std::vector<int> JobServer::not_started() const {
  const std::lock_guard lock(mutex_);
  std::vector<int> missing;
  for (size_t r = 0; r < ranks_.size(); ++r)
    if (ranks_[r].process.pid == 0) missing.push_back(static_cast<int>(r));
  return missing;
}

bool JobServer::any_running() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) { return !!rank.wire; });
}

std::vector<int> JobServer::silent(double seconds) const {
  const std::lock_guard lock(mutex_);
  std::vector<int> found;
  for (size_t r = 0; r < ranks_.size(); ++r)
    if (ranks_[r].wire && seconds_since(ranks_[r].heard) >= seconds)
      found.push_back(static_cast<int>(r));
  return found;
}

JobProcess JobServer::process(int rank) const {
  const std::lock_guard lock(mutex_);
  return ranks_[static_cast<size_t>(rank)].process;
}

std::string JobServer::doing(int rank) const {
  const std::lock_guard lock(mutex_);
  return ranks_[static_cast<size_t>(rank)].doing;
}

int64_t JobServer::last_step() const {
  const std::lock_guard lock(mutex_);
  int64_t last = 0;
  for (const Rank& rank : ranks_) last = std::max(last, rank.steps);
  return last;
}

std::optional<RankError> JobServer::cause_locked() const {
  std::optional<RankError> best;
  for (const Rank& rank : ranks_)
    if (rank.error && (!best || (best->code == kPeerFailed && rank.error->code != kPeerFailed)))
      best = rank.error;
  return best;
}

std::optional<RankError> JobServer::cause() const {
  const std::lock_guard lock(mutex_);
  return cause_locked();
}

void JobServer::end_ranks() {
  const std::lock_guard lock(mutex_);
  for (Rank& rank : ranks_) {
    const JobProcess& process = rank.process;
    const auto state = process.pid > 1 && process.host == this_host_name()
                           ? process_state(process.pid)
                           : std::nullopt;
    if (state && !state->ended() && state->started == process.started) ::kill(process.pid, SIGKILL);
    rank.wire.reset();
  }
}

}  // namespace tessera
