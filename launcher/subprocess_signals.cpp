#include "launcher/subprocess_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tessera {
namespace {

// The only thing a signal handler can reach. A handler may still run while its relay goes; the
// pipe's end is then -1 and the signal is dropped.
std::atomic<int> relay_write_end{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void relay_signal(int number) {
  const int saved = errno;
  const int descriptor = relay_write_end.load();
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe holds thousands of signals nobody has looked at; one more changes nothing.
  if (descriptor >= 0 && ::write(descriptor, &byte, 1) < 0) errno = saved;
  errno = saved;
}

}  // namespace

SignalRelay::SignalRelay(const std::vector<int>& numbers) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
    throw DeviceError(std::string("cannot make a pipe for signals: ") + std::strerror(errno));
  read_end_ = ends[0];
  write_end_ = ends[1];
  int none = -1;
  if (!relay_write_end.compare_exchange_strong(none, write_end_)) {
    ::close(read_end_);
    ::close(write_end_);
    throw InternalError("two subprocesses forward signals at the same time");
  }
  for (const int number : numbers) {
    struct sigaction action {};
    struct sigaction old {};
    action.sa_handler = relay_signal;
    action.sa_flags = SA_RESTART;
    ::sigfillset(&action.sa_mask);
    if (::sigaction(number, &action, &old) == 0) before_.emplace_back(number, old);
  }
}

SignalRelay::~SignalRelay() {
  for (const auto& [number, action] : before_) ::sigaction(number, &action, nullptr);
  relay_write_end.store(-1);
  ::close(read_end_);
  ::close(write_end_);
}

int SignalRelay::next() {
  unsigned char byte = 0;
  return ::read(read_end_, &byte, 1) == 1 ? byte : 0;
}

}  // namespace tessera
