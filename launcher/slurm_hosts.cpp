#include "launcher/slurm_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <sstream>

#include "base/error.h"

namespace tessera {
namespace {

constexpr int kMostNodes = kMaxRanks;

// Splits at commas that are not in brackets.
std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts(1);
  bool inside = false;
  for (const char c : text) {
    inside = c == '[' || (inside && c != ']');
    if (c == ',' && !inside)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// "07", "1-3": the numbers as written, with their leading zeros.
std::vector<std::string> expand_range(const std::string& text, const std::string& fault) {
  static const std::regex form(R"((\d{1,9})(?:-(\d{1,9}))?)");
  std::smatch match;
  if (!std::regex_match(text, match, form)) throw UserError(fault);
  const int first = std::stoi(match[1]);
  const int last = match[2].matched ? std::stoi(match[2]) : first;
  if (last < first || last - first >= kMostNodes) throw UserError(fault);
  std::vector<std::string> numbers;
  for (int n = first; n <= last; ++n)
    numbers.push_back(fmt::format("{:0{}}", n, static_cast<int>(match[1].length())));
  return numbers;
}

// "2(x3),1" -> 2, 2, 2, 1
std::vector<int> expand_counts(const std::string& text, const std::string& what) {
  static const std::regex form(R"((\d{1,4})(?:\(x(\d{1,4})\))?)");
  std::vector<int> counts;
  for (const std::string& part : split_list(text)) {
    std::smatch match;
    if (!std::regex_match(part, match, form))
      throw UserError(what + " is `" + text + "`; numbers such as 2(x3),1 were expected");
    const int times = match[2].matched ? std::stoi(match[2]) : 1;
    counts.insert(counts.end(), static_cast<size_t>(times), std::stoi(match[1]));
  }
  return counts;
}

}  // namespace

std::vector<std::string> expand_node_list(const std::string& text, const std::string& what) {
  const std::string fault =
      what + " is `" + text + "`; a list such as node[01-03,7],x was expected";
  std::vector<std::string> names;
  for (const std::string& part : split_list(text)) {
    // One bracket after another: rack[1-2]node[1-4] has eight names.
    std::vector<std::string> built = {""};
    for (size_t at = 0; at < part.size();) {
      std::vector<std::string> pieces;
      if (part[at] == '[') {
        const size_t close = part.find(']', at);
        if (close == std::string::npos) throw UserError(fault);
        std::istringstream ranges(part.substr(at + 1, close - at - 1));
        for (std::string range; std::getline(ranges, range, ',');)
          for (std::string& number : expand_range(range, fault))
            pieces.push_back(std::move(number));
        at = close + 1;
      } else {
        const size_t end = std::min(part.find('[', at), part.size());
        pieces.push_back(part.substr(at, end - at));
        at = end;
      }
      std::vector<std::string> longer;
      for (const std::string& begin : built)
        for (const std::string& piece : pieces) longer.push_back(begin + piece);
      if (longer.empty() || longer.size() > kMostNodes) throw UserError(fault);
      built = std::move(longer);
    }
    for (const std::string& name : built) {
      if (!is_host_name(name)) throw UserError(fault);
      names.push_back(name);
    }
  }
  return names;
}

std::optional<std::vector<Host>> slurm_hosts(const EnvironmentLookup& variable) {
  const auto list = variable("SLURM_JOB_NODELIST");
  if (!variable("SLURM_JOB_ID") || !list) return std::nullopt;
  const std::vector<std::string> names = expand_node_list(*list, "SLURM_JOB_NODELIST");
  std::vector<int> counts(names.size(), 1);
  if (const auto tasks = variable("SLURM_TASKS_PER_NODE"))
    counts = expand_counts(*tasks, "SLURM_TASKS_PER_NODE");
  if (counts.size() != names.size())
    throw UserError(fmt::format(
        "SLURM_TASKS_PER_NODE is for {} nodes and SLURM_JOB_NODELIST, `{}`, has {}; give the hosts "
        "in cluster.hosts",
        counts.size(), *list, names.size()));
  std::vector<Host> hosts;
  for (size_t i = 0; i < names.size(); ++i)
    if (counts[i] > 0) hosts.push_back({names[i], counts[i]});
  return hosts;
}

std::optional<std::vector<Host>> slurm_hosts() {
  return slurm_hosts([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  });
}

}  // namespace tessera
