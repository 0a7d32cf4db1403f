#pragma once

#include <optional>
#include <vector>

#include "placement/network.h"

namespace tessera {

// Bucket elimination: exact minimisation of a network without regard to its rows, by dynamic
// programming along an order that keeps the tables small (the better of min-fill and min-size).
// The plan depends on the structure only, so that many cost vectors are minimised with one plan.
//
//   chain a - b - c, domains of 3: eliminate a (table over b), b (table over c), c: 27 operations
struct Elimination {
  struct Input {
    enum class From : uint8_t { edge, factor, message };
    From from;  // which array of tables: the network's two, or those of earlier steps
    size_t table;
    std::vector<size_t> strides;  // one for each of the scope
    size_t own_stride;
  };
  struct Step {
    int32_t variable;
    std::vector<int32_t> scope;
    std::vector<Input> inputs;
    size_t table;    // into the messages
    size_t entries;  // product of the scope's domains
  };
  std::vector<Step> steps;
  size_t message_entries = 0;
  int64_t operations = 0;  // elementary additions of one run
  int32_t width = 0;       // largest scope
};

// Nothing when the tables would hold more than `max_entries` numbers or one run would take more
// than `max_operations`.
std::optional<Elimination> plan_elimination(const Network& network, size_t max_entries,
                                            int64_t max_operations);

struct Minimum {
  double cost = kForbidden;
  Values values;  // of no meaning when cost is kForbidden
};

// `costs` replaces network.costs (same layout). Ties go to the smaller value.
Minimum minimise(const Network& network, const Elimination& plan, const std::vector<double>& costs);

}  // namespace tessera
