#include "launcher/hosts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/read_file.h"

namespace tessera {
namespace {

constexpr size_t kMostHostfileBytes = size_t{1} << 20;

std::optional<int> rank_count(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kMaxRanks)
    return std::nullopt;
  return value;
}

bool listed(const std::vector<Host>& hosts, const std::string& name) {
  return std::any_of(hosts.begin(), hosts.end(), [&](const Host& h) { return h.name == name; });
}

// One line of a file of hosts, without its comment.
std::optional<Host> read_line(const std::string& line, const std::string& where) {
  std::istringstream words(line);
  Host host;
  if (!(words >> host.name)) return std::nullopt;
  if (!is_host_name(host.name))
    throw UserError(where + ": `" + host.name + "` is no name of a host; a line is `HOST slots=N`");
  bool counted = false;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    const std::optional<int> count = rank_count(value);
    if (key != "slots" && key != "max_slots" && key != "max-slots")
      throw UserError(where + ": `" + word + "` is not known here; a line is `HOST slots=N`");
    if (!count)
      throw UserError(
          fmt::format("{}: `{}` must be {}=N, N from 1 to {}", where, word, key, kMaxRanks));
    if (key == "slots") host.ranks = *count;
    counted = counted || key == "slots";
  }
  if (!counted)
    throw UserError(where + ": `" + host.name + "` has no number of ranks; write `" + host.name +
                    " slots=N`");
  return host;
}

}  // namespace

int ranks_of(const std::vector<Host>& hosts) {
  int total = 0;
  for (const Host& host : hosts) total += host.ranks;
  return total;
}

bool is_host_name(const std::string& name) {
  return !name.empty() && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
         });
}

std::vector<Host> parse_hosts(const std::string& text, const std::string& option) {
  std::vector<Host> hosts;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t colon = part.find(':');
    Host host{part.substr(0, colon), 1};
    if (!is_host_name(host.name))
      throw UserError(
          fmt::format("{}: `{}` is no name of a host; write HOST:RANKS,HOST:RANKS, as "
                      "node1:2,node2:2",
                      option, part));
    if (colon != std::string::npos) {
      const std::optional<int> count = rank_count(part.substr(colon + 1));
      if (!count)
        throw UserError(fmt::format("{}: `{}` must end in a number of ranks from 1 to {}", option,
                                    part, kMaxRanks));
      host.ranks = *count;
    }
    if (listed(hosts, host.name))
      throw UserError(option + ": lists `" + host.name + "` a second time; give its ranks once");
    hosts.push_back(host);
  }
  if (hosts.empty()) throw UserError(option + ": names no host; write HOST:RANKS,HOST:RANKS");
  if (ranks_of(hosts) > kMaxRanks)
    throw UserError(fmt::format("{}: has {} ranks in all; at most {} can run", option,
                                ranks_of(hosts), kMaxRanks));
  return hosts;
}

std::string print_hosts(const std::vector<Host>& hosts) {
  std::vector<std::string> parts;
  for (const Host& host : hosts) parts.push_back(fmt::format("{}:{}", host.name, host.ranks));
  return join(parts, ",");
}

std::vector<Host> read_hostfile(const std::string& file) {
  std::istringstream text(read_file(file, {"a file of hosts", kMostHostfileBytes}));
  std::vector<Host> hosts;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    const std::string where = fmt::format("{}:{}", file, ++number);
    const std::optional<Host> host = read_line(line.substr(0, line.find('#')), where);
    if (!host) continue;
    if (listed(hosts, host->name))
      throw UserError(where + ": lists `" + host->name + "` a second time; give its slots once");
    hosts.push_back(*host);
  }
  if (hosts.empty()) throw UserError(file + ": lists no host; a line is `HOST slots=N`");
  if (ranks_of(hosts) > kMaxRanks)
    throw UserError(fmt::format("{}: has {} slots in all; at most {} ranks can run", file,
                                ranks_of(hosts), kMaxRanks));
  return hosts;
}

std::string this_host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

bool only_this_machine(const std::vector<Host>& hosts) {
  return std::all_of(hosts.begin(), hosts.end(), [](const Host& host) {
    return host.name == "localhost" || host.name == "127.0.0.1" || host.name == this_host_name();
  });
}

std::vector<Host> first_ranks(const std::vector<Host>& hosts, int ranks) {
  std::vector<Host> chosen;
  for (const Host& host : hosts) {
    const int take = std::min(host.ranks, ranks - ranks_of(chosen));
    if (take > 0) chosen.push_back({host.name, take});
  }
  return chosen;
}

}  // namespace tessera
