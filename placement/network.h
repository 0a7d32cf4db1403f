#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace tessera {

// The cost of a choice that is not allowed.
constexpr double kForbidden = std::numeric_limits<double>::infinity();

// A cost-function network: variables with finite domains, a cost per value, a cost per pair of
// values on some pairs of variables (and, where two do not suffice, on more), and rows that limit
// the sum of bytes that values take. Values are numbered from 0. The task is the assignment of
// least total cost that obeys every row.
//
// Everything lies in flat vectors, so that a hundred thousand variables are no problem. Where rows
// follow each other like moments of time, a variable that takes the same bytes in all rows of a
// range says so once, as a span.
//
//   Network n;
//   int32_t a = n.add_variable({0, 3}), b = n.add_variable({1, 0});
//   n.add_edge(a, b, {0, 5, 5, 0});               // they want to agree
//   n.add_row(100, {{a, {80, 20}}, {b, {60, 30}}});  // a = 0 and b = 0 do not fit together
struct Network {
  // costs[first[v] + x]: unary cost of value x of variable v; first has one entry past the end.
  std::vector<size_t> first = {0};
  std::vector<double> costs;

  // tables[table + x * domain(b) + y]: cost of a = x and b = y. At most one edge per pair.
  struct Edge {
    int32_t a;
    int32_t b;
    size_t table;
  };
  std::vector<Edge> edges;
  std::vector<double> tables;

  // Costs of more than two variables, row-major over scope[begin ... end). Never forbidden.
  struct Factor {
    size_t begin;
    size_t end;
    size_t table;  // into factor_tables
  };
  std::vector<Factor> factors;
  std::vector<int32_t> scope;
  std::vector<double> factor_tables;

  // Sum over the entries of bytes[entry.bytes + value of entry.variable] must not exceed `limit`.
  struct Entry {
    int32_t variable;
    size_t bytes;
  };
  struct Row {
    double limit;
    size_t begin;  // entries[begin ... end)
    size_t end;
  };
  // The same in each of the rows [begin, end), beside what their entries say.
  struct Span {
    int32_t variable;
    int32_t begin;
    int32_t end;
    size_t bytes;
  };
  std::vector<Row> rows;
  std::vector<Entry> entries;
  std::vector<Span> spans;
  std::vector<double> bytes;

  struct RowItem {
    int32_t variable;
    std::vector<double> bytes;  // one for each value
  };

  int32_t size() const { return static_cast<int32_t>(first.size()) - 1; }
  int32_t domain(int32_t v) const { return static_cast<int32_t>(first[v + 1] - first[v]); }
  std::span<const double> unary(int32_t v) const {
    return {costs.data() + first[v], costs.data() + first[v + 1]};
  }

  int32_t add_variable(std::span<const double> unary_costs);
  int32_t add_variable(std::initializer_list<double> unary_costs) {
    return add_variable(std::span<const double>(unary_costs.begin(), unary_costs.size()));
  }
  // Row-major over (a, b). A second edge between the same variables is legal and is added up by
  // `merge_parallel_edges`, which solve() calls.
  void add_edge(int32_t a, int32_t b, std::vector<double> table);
  // Three distinct variables or more; all costs finite.
  void add_factor(std::span<const int32_t> variables, std::vector<double> table);
  size_t factor_entries(const Factor& factor) const;
  // One item per variable at most.
  void add_row(double limit, const std::vector<RowItem>& items);
  // `values` are the bytes of each value of the variable, in rows that exist.
  void add_span(int32_t variable, int32_t begin_row, int32_t end_row,
                std::span<const double> values);
};

using Values = std::vector<int32_t>;

// Sum of all costs; kForbidden when some choice is not allowed.
double cost_of(const Network& network, const Values& values);
// More than any assignment of finite cost costs, to put in place of what is forbidden; factors are
// left out.
double more_than_any(const Network& network);
// Bytes that the assignment takes in each row.
std::vector<double> usages_of(const Network& network, const Values& values);
// The largest excess over a limit, 0 when every row is obeyed.
double excess_of(const Network& network, const Values& values);

// Sums edges between the same two variables into one (a < b afterwards) and sorts edges.
Network merge_parallel_edges(const Network& network);

// Edges at each variable: of[begin[v] ... begin[v+1]) are edge numbers.
struct Incidence {
  std::vector<int32_t> begin;
  std::vector<int32_t> of;
};
Incidence incidence_of(const Network& network);

}  // namespace tessera
