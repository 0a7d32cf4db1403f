#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launcher/bench/iopddl.h"
#include "launcher/gzip_file.h"

namespace tessera {
namespace {

constexpr size_t kMostBytes = size_t{1} << 34;

// A list of lists of numbers, flat.
struct Lists {
  std::vector<size_t> begin = {0};
  std::vector<int64_t> numbers;

  size_t size() const { return begin.size() - 1; }
  size_t length(size_t i) const { return begin[i + 1] - begin[i]; }
  const int64_t* of(size_t i) const { return numbers.data() + begin[i]; }
};

// Takes the events of a parser, since a tree of all values would take ten times the file.
class Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Lists intervals, costs, usages, edge_nodes, edge_costs;
  std::string name;
  std::optional<int64_t> limit;

  bool null() override {
    if (path() == "problem.usage_limit") return true;
    return other("null");
  }
  bool boolean(bool value) override { return other(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return other(std::to_string(value));
    return number(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t, const string_t& text) override { return other(text); }
  bool string(string_t& value) override {
    if (path() == "problem.name") name = value;
    return lists_ || path() == "problem.usage_limit" ? other("\"" + value + "\"") : true;
  }
  bool binary(binary_t&) override { return other("bytes"); }
  bool start_object(size_t) override {
    if (lists_) return other("an object");
    keys_.emplace_back();
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    return true;
  }
  bool key(string_t& value) override {
    keys_.back() = value;
    lists_ = lists_of(path());
    return true;
  }
  bool start_array(size_t) override {
    if (lists_ && depth_ == 2) return other("a list");
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    if (!lists_) return true;
    if (depth_ == 1) lists_->begin.push_back(lists_->numbers.size());
    if (depth_ == 0) lists_ = nullptr;
    return true;
  }
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::detail::exception&) override {
    throw UserError(fmt::format("{}: is no JSON: found `{}` at byte {}", file_, token, position));
  }

 private:
  std::string path() const { return join(keys_, "."); }

  Lists* lists_of(const std::string& path) {
    if (path == "problem.nodes.intervals") return &intervals;
    if (path == "problem.nodes.costs") return &costs;
    if (path == "problem.nodes.usages") return &usages;
    if (path == "problem.edges.nodes") return &edge_nodes;
    if (path == "problem.edges.costs") return &edge_costs;
    return nullptr;
  }

  bool number(int64_t value) {
    if (!lists_) {
      if (depth_ == 0 && path() == "problem.usage_limit") limit = value;
      return true;
    }
    if (depth_ != 2) return other(std::to_string(value));
    lists_->numbers.push_back(value);
    return true;
  }

  // What stands where a number, or a list of numbers, belongs; elsewhere it is left alone.
  bool other(const std::string& found) {
    if (lists_)
      throw UserError(fmt::format("{}: {}[{}] has {} where {} belongs", file_, path(),
                                  lists_->size(), found,
                                  depth_ == 2   ? "an integer of 64 bits"
                                  : depth_ == 1 ? "a list of integers"
                                                : "a list of lists"));
    if (path() == "problem.usage_limit")
      throw UserError(fmt::format(
          "{}: problem.usage_limit is {}; it should be an integer of 64 bits", file_, found));
    return true;
  }

  const std::string& file_;
  std::vector<std::string> keys_;
  Lists* lists_ = nullptr;
  int depth_ = 0;  // of arrays
};

void check_equal(const std::string& file, const char* what, size_t found, const char* of,
                 size_t expected) {
  if (found != expected)
    throw UserError(
        fmt::format("{}: {} has {} entries, {} has {}", file, what, found, of, expected));
}

void take_nodes(const std::string& file, Reader& read, IopddlProblem& problem) {
  const size_t nodes = read.costs.size();
  if (nodes == 0) throw UserError(file + ": problem.nodes.costs is empty or not there");
  check_equal(file, "problem.nodes.usages", read.usages.size(), "problem.nodes.costs", nodes);
  check_equal(file, "problem.nodes.intervals", read.intervals.size(), "problem.nodes.costs", nodes);
  for (size_t v = 0; v < nodes; ++v) {
    if (read.costs.length(v) == 0)
      throw UserError(
          fmt::format("{}: problem.nodes.costs[{}] is empty; a node needs a strategy", file, v));
    check_equal(file, fmt::format("problem.nodes.usages[{}]", v).c_str(), read.usages.length(v),
                fmt::format("problem.nodes.costs[{}]", v).c_str(), read.costs.length(v));
    check_equal(file, fmt::format("problem.nodes.intervals[{}]", v).c_str(),
                read.intervals.length(v), "an interval", 2);
    const int64_t* interval = read.intervals.of(v);
    problem.intervals.emplace_back(interval[0], interval[1]);
  }
  for (const int64_t usage : read.usages.numbers)
    if (usage < 0)
      throw UserError(
          fmt::format("{}: problem.nodes.usages has {}; memory is 0 or more", file, usage));
  problem.first = std::move(read.costs.begin);
  problem.costs = std::move(read.costs.numbers);
  problem.usages = std::move(read.usages.numbers);
}

void take_edges(const std::string& file, Reader& read, IopddlProblem& problem) {
  const size_t edges = read.edge_nodes.size();
  check_equal(file, "problem.edges.costs", read.edge_costs.size(), "problem.edges.nodes", edges);
  for (size_t e = 0; e < edges; ++e) {
    check_equal(file, fmt::format("problem.edges.nodes[{}]", e).c_str(), read.edge_nodes.length(e),
                "an edge", 2);
    const int64_t* ends = read.edge_nodes.of(e);
    for (int i = 0; i < 2; ++i)
      if (ends[i] < 0 || ends[i] >= problem.size())
        throw UserError(fmt::format("{}: problem.edges.nodes[{}] has node {}; there are {} nodes",
                                    file, e, ends[i], problem.size()));
    const auto a = static_cast<int32_t>(ends[0]), b = static_cast<int32_t>(ends[1]);
    check_equal(file, fmt::format("problem.edges.costs[{}]", e).c_str(), read.edge_costs.length(e),
                "the table of its two nodes",
                static_cast<size_t>(problem.strategies(a) * problem.strategies(b)));
    problem.edges.push_back({a, b, read.edge_costs.begin[e]});
  }
  problem.tables = std::move(read.edge_costs.numbers);
}

}  // namespace

IopddlProblem read_iopddl(const std::string& file) {
  const std::string text = read_gzip(file, kMostBytes);
  Reader read(file);
  nlohmann::json::sax_parse(text.begin(), text.end(), &read);
  IopddlProblem problem;
  problem.name = read.name;
  problem.limit = read.limit;
  take_nodes(file, read, problem);
  take_edges(file, read, problem);
  return problem;
}

}  // namespace tessera
