#include "launcher/job_link.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "launcher/hosts.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kConnectSeconds = 10;
constexpr auto kSign = std::chrono::milliseconds(500);
constexpr int kPollMilliseconds = 100;
constexpr size_t kMostDoing = 2000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

JobLink::JobLink(JobLinkOptions options)
    : options_(std::move(options)),
      wire_(connect_to_launcher(options_.address, kConnectSeconds)),
      heard_(Clock::now()) {
  const JobProcess own = this_process();
  if (!wire_.open())
    throw CommError(fmt::format(
        "rank {} on {} cannot reach the process that started the job, at {}: let hosts of the job "
        "connect to each other on all ports",
        options_.rank, own.host, join(options_.address.where, ", ")));
  wire_.send({JobWord::hello, fmt::format("{} {} {} {} {}", options_.address.token, options_.rank,
                                          own.pid, own.started, own.host)});
  thread_ = std::thread([this] { serve(); });
}

JobLink::~JobLink() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  thread_.join();
}

void JobLink::serve() {
  auto next_sign = Clock::now();
  for (;;) {
    pollfd entry{};
    {
      const std::lock_guard lock(mutex_);
      if (done_) return;
      entry = {wire_.descriptor(), static_cast<int16_t>(wire_.unsent() ? POLLIN | POLLOUT : POLLIN),
               0};
    }
    ::poll(&entry, 1, kPollMilliseconds);
    std::optional<LinkEnd> over;
    {
      const std::lock_guard lock(mutex_);
      if (done_) return;
      over = listen() ? lost() : LinkEnd::gone;
      if (!over && Clock::now() >= next_sign) {
        next_sign = Clock::now() + kSign;
        wire_.send({JobWord::alive, sign_of_life()});
      }
    }
    changed_.notify_all();
    if (over) return options_.end(*this, *over, patience(*over));
  }
}

// "STEPS\nWHAT IT DOES"
std::string JobLink::sign_of_life() const {
  if (!options_.activity) return "0\n";
  return fmt::format("{}\n{}", options_.activity->steps(),
                     options_.activity->text().substr(0, kMostDoing));
}

bool JobLink::listen() {
  wire_.flush();
  for (const JobWord& word : wire_.receive()) {
    heard_ = Clock::now();
    if (word.kind == JobWord::explained) explained_ = true;
    if (word.kind == JobWord::leave && options_.leave) options_.leave(std::atoi(word.text.c_str()));
  }
  return wire_.open();
}

// Ranks on other hosts cannot see whether the launcher is stopped. They leave it to those beside
// it, which can continue it, to end the job first.
double JobLink::patience(LinkEnd how) const {
  constexpr double kNeighboursFirst = 2;
  const JobAddress& address = options_.address;
  if (!address.several_hosts()) return how == LinkEnd::stopped ? options_.timeout : address.silence;
  return address.silence + (address.launcher.host == this_host_name() ? 0 : kNeighboursFirst);
}

std::optional<LinkEnd> JobLink::lost() const {
  const double silence = seconds_since(heard_);
  if (silence < std::min(options_.address.silence, options_.timeout)) return std::nullopt;
  const LinkEnd how =
      is_stopped_here(options_.address.launcher) ? LinkEnd::stopped : LinkEnd::silent;
  if (silence < patience(how)) return std::nullopt;
  return how;
}

void JobLink::failed(int code, const std::string& text) {
  std::unique_lock lock(mutex_);
  wire_.send({JobWord::error, fmt::format("{}\n{}", code, text)});
  if (std::this_thread::get_id() == thread_.get_id()) return;  // it does the sending
  changed_.wait_for(lock, std::chrono::seconds(2),
                    [this] { return !wire_.unsent() || !wire_.open(); });
}

void JobLink::await_cause(double seconds) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                    [this] { return explained_ || !wire_.open(); });
}

}  // namespace tessera
