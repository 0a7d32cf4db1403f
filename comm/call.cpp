#include "comm/call.h"

#include <fmt/format.h>

#include <utility>

namespace tessera {

const char* name_of(CallKind kind) {
  switch (kind) {
    case CallKind::barrier:
      return "barrier";
    case CallKind::broadcast:
      return "broadcast";
    case CallKind::all_gather:
      return "all-gather";
    case CallKind::all_reduce:
      return "all-reduce";
    case CallKind::reduce_scatter:
      return "reduce-scatter";
    case CallKind::all_to_all:
      return "all-to-all";
    case CallKind::split:
      return "split";
    case CallKind::share:
      return "sharing of memory";
    case CallKind::send:
      return "send";
    case CallKind::recv:
      return "recv";
    case CallKind::send_recv:
      return "send-and-recv";
  }
  return "?";
}

namespace {

bool counts_matter(CallKind kind) {
  return kind != CallKind::all_to_all && kind != CallKind::split;
}

std::string counts_text(std::span<const size_t> counts) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < counts.size() && i < kShown; ++i)
    text += (i ? " " : "") + std::to_string(counts[i]);
  if (counts.size() > kShown) text += fmt::format(" ... {} in all", counts.size());
  return text;
}

std::string typed_size(const Call& call) {
  return fmt::format("{} {} ({} bytes)", call.count, name_of(call.type),
                     call.count * size_of(call.type));
}

}  // namespace

std::string describe(const Call& call) {
  const char* name = name_of(call.kind);
  switch (call.kind) {
    case CallKind::barrier:
    case CallKind::split:
    case CallKind::share:
      return name;
    case CallKind::broadcast:
      return fmt::format("{} of {} bytes from rank {}", name, call.count, call.root);
    case CallKind::send:
      return fmt::format("{} of {} bytes to rank {}", name, call.count, call.root);
    case CallKind::recv:
      return fmt::format("{} of {} bytes from rank {}", name, call.count, call.root);
    case CallKind::send_recv:
      return fmt::format("{} of {} bytes to rank {}", name, call.count, call.root);
    case CallKind::all_reduce:
    case CallKind::reduce_scatter:
      return fmt::format("{} ({}) of {}", name, name_of(call.op), typed_size(call));
    case CallKind::all_gather:
    case CallKind::all_to_all:
      return fmt::format("{} of {}", name, typed_size(call));
  }
  return name;
}

bool same_call(const Call& a, const Call& b) {
  return a.kind == b.kind && a.type == b.type && a.op == b.op && a.root == b.root &&
         a.number == b.number && a.purpose == b.purpose && a.before == b.before &&
         (!counts_matter(a.kind) || (a.count == b.count && a.counts_hash == b.counts_hash));
}

double CallInfo::seconds() const {
  return std::chrono::duration<double>(CommClock::now() - start).count();
}

std::string describe(const CallInfo& info) {
  std::string text = describe(info.call);
  if (!info.counts.empty()) text += ", counts " + counts_text(info.counts);
  if (info.call.number > 0) text += ", call " + std::to_string(info.call.number) + " of the group";
  if (info.context && !info.context->empty()) text += " during `" + *info.context + "`";
  return text;
}

std::string name_ranks(const std::vector<int>& ranks) {
  if (ranks.size() == 1) return "rank " + std::to_string(ranks.front());
  std::string text = "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ") + std::to_string(ranks[i]);
  return text;
}

std::string timeout_text(const CallInfo& info, const std::vector<int>& missing) {
  return fmt::format(
      "rank {}: {} timed out after {:.1f} s: {} {} not arrived. See what {} doing; if only slow, "
      "raise the timeout",
      info.world_rank, describe(info), info.seconds(), name_ranks(missing),
      missing.size() == 1 ? "has" : "have", missing.size() == 1 ? "it is" : "they are");
}

std::string ended_text(const CallInfo& info, const std::string& reason) {
  return fmt::format("rank {}: {} ended after {:.1f} s: {}", info.world_rank, describe(info),
                     info.seconds(), reason);
}

std::string mismatch_text(const std::vector<std::string>& texts,
                          const std::vector<int>& world_ranks) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (size_t i = 0; i < texts.size(); ++i) {
    size_t g = 0;
    while (g < groups.size() && groups[g].first != texts[i]) ++g;
    if (g == groups.size()) groups.push_back({texts[i], {}});
    groups[g].second.push_back(world_ranks[i]);
  }
  std::string text = "the ranks disagree on their next call: ";
  for (size_t g = 0; g < groups.size(); ++g)
    text += fmt::format("{}{} {} {}", g ? "; " : "", name_ranks(groups[g].second),
                        groups[g].second.size() == 1 ? "makes" : "make", groups[g].first);
  if (groups.size() == 1) text += ", but took part in different broadcasts before";
  return text + ". All ranks of a group must make the same calls in the same order";
}

std::string unequal_pair_text(int from, size_t sent, int to, size_t expected) {
  return fmt::format("rank {} sends {} elements to rank {}, which expects {}", from, sent, to,
                     expected);
}

}  // namespace tessera
