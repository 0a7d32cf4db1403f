#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "placement/network.h"

namespace tessera {

// One problem of the IOPDDL contest (github.com/google/iopddl), in its file's numbers: each node
// takes one of its strategies; costs of nodes, and of the pairs of strategies that edges join, add
// up; a node uses memory at the moments [lo, hi) of its interval, and the sum at no moment may
// exceed the limit.
//
//   {"problem": {"name": "x", "nodes": {"intervals": [[0, 2]], "costs": [[3, 5]],
//    "usages": [[9, 4]]}, "edges": {"nodes": [], "costs": []}, "usage_limit": 8}}
//
// has one solution, strategy 1 of node 0, of cost 5.
struct IopddlProblem {
  std::string name;
  std::vector<std::pair<int64_t, int64_t>> intervals;  // one a node
  std::vector<size_t> first = {0};  // of each node, in `costs` and `usages`; one past the end
  std::vector<int64_t> costs;
  std::vector<int64_t> usages;
  struct Edge {
    int32_t a;
    int32_t b;
    size_t table;  // tables[table + strategy of a * strategies of b + strategy of b]
  };
  std::vector<Edge> edges;
  std::vector<int64_t> tables;
  std::optional<int64_t> limit;

  int32_t size() const { return static_cast<int32_t>(first.size()) - 1; }
  int64_t strategies(int32_t v) const { return static_cast<int64_t>(first[v + 1] - first[v]); }
};

// Reads a file of theirs, plain or compressed by gzip. UserError with the file, where in it, what
// was found and what belongs there.
IopddlProblem read_iopddl(const std::string& file);

// Exact, since sums of 64-bit values may need more bits.
__extension__ typedef __int128 WideInteger;
std::string text_of(WideInteger value);
WideInteger cost_of(const IopddlProblem& problem, const Values& values);
WideInteger peak_of(const IopddlProblem& problem, const Values& values);

// What costs as much as this forbids: the contest's files say 10^18.
constexpr int64_t kIopddlForbids = 100'000'000'000'000'000;

// Costs of a strategy and of a pair of strategies, a span for each interval, and a row for each
// moment at which memory can be at its peak: one that holds all that a neighbour holds stands for
// it. What is `forbidden` or more becomes kForbidden.
Network network_of(const IopddlProblem& problem, double forbidden = kIopddlForbids);

}  // namespace tessera
