#include "launcher/job_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "launcher/hosts.h"
#include "launcher/process_state.h"
#include "launcher/spawn.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kWaiting = 1024;  // connections that may wait to be accepted
constexpr const char* kUnix = "unix:";

union SocketAddress {
  sockaddr any;
  sockaddr_un file;
  sockaddr_in network;
};

bool fill(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

bool fill(const std::string& text, sockaddr_in& address) {
  address = {};
  address.sin_family = AF_INET;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) == 1;
}

// The addresses of this machine that others may reach.
std::vector<std::string> own_addresses() {
  std::vector<std::string> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_LOOPBACK) != 0 || (one->ifa_flags & IFF_UP) == 0) continue;
    char text[INET_ADDRSTRLEN] = {};
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    found.emplace_back(text);
  }
  ::freeifaddrs(list);
  return found;
}

// A socket on its way to `where`, or -1.
int begin_connecting(const std::string& where) {
  SocketAddress address{};
  const bool file = where.rfind(kUnix, 0) == 0;
  const bool valid = file ? fill(where.substr(5), address.file) : fill(where, address.network);
  if (!valid) return -1;
  int socket = ::socket(file ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const socklen_t size = file ? sizeof address.file : sizeof address.network;
  if (socket >= 0 && ::connect(socket, &address.any, size) != 0 && errno != EINPROGRESS)
    close_descriptor(socket);
  return socket;
}

bool connected(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

}  // namespace

JobProcess this_process() {
  const std::optional<ProcessState> state = process_state(::getpid());
  return {this_host_name(), ::getpid(), state ? state->started : 0};
}

bool is_stopped_here(const JobProcess& process) {
  if (process.pid <= 1 || process.host != this_host_name()) return false;
  const std::optional<ProcessState> state = process_state(process.pid);
  return state && state->started == process.started && state->stopped();
}

std::string random_token() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

std::string print_job_address(const JobAddress& address) {
  const JobProcess& launcher = address.launcher;
  return fmt::format("{} {} {} {} {} {}", address.token, launcher.host, launcher.pid,
                     launcher.started, address.silence, join(address.where, " "));
}

std::optional<JobAddress> parse_job_address(const std::string& text) {
  std::istringstream words(text);
  JobAddress address;
  JobProcess& launcher = address.launcher;
  words >> address.token >> launcher.host >> launcher.pid >> launcher.started >> address.silence >>
      std::ws;
  if (!words || address.silence <= 0) return std::nullopt;
  std::string rest;
  std::getline(words, rest);
  if (rest.rfind(kUnix, 0) == 0) {  // the path of a file, which may hold spaces
    address.where = {rest};
    return address;
  }
  std::istringstream places(rest);
  for (std::string where; places >> where;) address.where.push_back(where);
  if (address.where.empty()) return std::nullopt;
  return address;
}

int listen_for_ranks(const std::string& folder, bool several_hosts, JobAddress& address) {
  const std::string path = folder + "/job";
  SocketAddress at{};
  socklen_t size = sizeof at.network;
  bool good = true;
  if (several_hosts) {
    at.network.sin_family = AF_INET;
    at.network.sin_addr.s_addr = htonl(INADDR_ANY);
  } else {
    good = fill(path, at.file);
    size = sizeof at.file;
  }
  int socket = ::socket(several_hosts ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  good = good && socket >= 0 && ::bind(socket, &at.any, size) == 0 &&
         ::listen(socket, kWaiting) == 0 && ::getsockname(socket, &at.any, &size) == 0;
  if (!good) {
    const std::string problem = std::strerror(errno);
    close_descriptor(socket);
    throw DeviceError("cannot make a socket for the ranks to report to" +
                      (several_hosts ? "" : " in " + folder) + ": " + problem);
  }
  if (!several_hosts) address.where = {kUnix + path};
  if (several_hosts)
    for (const std::string& own : own_addresses())
      address.where.push_back(fmt::format("{}:{}", own, ntohs(at.network.sin_port)));
  if (address.where.empty()) {
    close_descriptor(socket);
    throw DeviceError(
        "this machine has no address on a network, by which ranks on other hosts could report to "
        "it; see `ip address`");
  }
  return socket;
}

int connect_to_launcher(const JobAddress& address, double seconds) {
  std::vector<pollfd> tries;
  for (const std::string& where : address.where)
    if (const int socket = begin_connecting(where); socket >= 0)
      tries.push_back({socket, POLLOUT, 0});
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  int found = -1;
  while (found < 0 && !tries.empty() && Clock::now() < until) {
    ::poll(tries.data(), tries.size(), 100);
    for (pollfd& one : tries) {
      if (one.revents == 0 || found >= 0) continue;
      if (connected(one.fd))
        found = std::exchange(one.fd, -1);
      else
        close_descriptor(one.fd);
    }
    std::erase_if(tries, [](const pollfd& one) { return one.fd < 0; });
  }
  for (pollfd& one : tries) close_descriptor(one.fd);
  return found;
}

}  // namespace tessera
