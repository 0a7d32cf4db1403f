#include "codegen/pad_runs.h"

#include <algorithm>
#include <bit>

#include "codegen/contraction_layout.h"

namespace tessera {
namespace {

constexpr int64_t kPanelsLookedAt = 128;
constexpr int64_t kMostRuns = 64;
constexpr int64_t kMostColumns = 1 << 12;

// What some levels add to an index, from least to most.
void add_reach(IndexRange& range, const Affine& form, const IndexLevel& level) {
  const int64_t most = step_of(form, level) * (level.extent - 1);
  (most < 0 ? range.low : range.high) += most;
}

// What a flattened index adds to one of another form.
int64_t value_at(const Affine& form, const IndexLevels& levels, int64_t index) {
  int64_t sum = 0;
  for (size_t i = levels.size(); i-- > 0; index /= levels[i].extent)
    sum += step_of(form, levels[i]) * (index % levels[i].extent);
  return sum;
}

}  // namespace

std::vector<PadEdge> edges_of(const Read& read) {
  std::vector<PadEdge> edges;
  for (size_t d = 0; d < read.indices.size(); ++d) {
    const int64_t extent = read.tensor.dims()[d].extent();
    const std::optional<IndexRange> range = index_range(read.indices[d].value);
    if (!read.indices[d].padded || (range && range->low >= 0 && range->high < extent)) continue;
    edges.push_back({*affine_form(read.indices[d].value), extent});
  }
  return edges;
}

double edge_share(const Read& a, const ContractionLayout& layout, int rows) {
  struct Way {
    PadEdge edge;
    IndexRange others;
  };
  std::vector<Way> ways;
  for (const PadEdge& edge : edges_of(a)) {
    Way way{edge, {edge.index.constant, edge.index.constant}};
    for (const IndexLevels* levels : {&layout.batch, &layout.k})
      for (const IndexLevel& level : *levels) add_reach(way.others, edge.index, level);
    ways.push_back(std::move(way));
  }
  if (ways.empty()) return 0;
  const auto meets = [&](int64_t row) {
    return std::any_of(ways.begin(), ways.end(), [&](const Way& way) {
      const int64_t at = value_at(way.edge.index, layout.m, row);
      return at + way.others.low < 0 || at + way.others.high >= way.edge.extent;
    });
  };
  const int64_t extent = volume(layout.m), panels = (extent + rows - 1) / rows;
  const int64_t looked_at = std::min(panels, kPanelsLookedAt);
  int64_t met = 0;
  for (int64_t i = 0; i < looked_at; ++i) {
    int64_t row = i * panels / looked_at * rows;
    const int64_t end = std::min(extent, row + rows);
    while (row < end && !meets(row)) ++row;
    met += row < end ? 1 : 0;
  }
  return looked_at == 0 ? 0 : static_cast<double>(met) / static_cast<double>(looked_at);
}

uint64_t PadRuns::live(int64_t begin, int64_t columns) const {
  uint64_t outside_all = ~uint64_t{0};
  const int64_t end = std::min(begin + columns, static_cast<int64_t>(outside.size()));
  for (int64_t i = begin; i < end; ++i) outside_all &= outside[static_cast<size_t>(i)];
  const uint64_t all = runs == kMostRuns ? ~uint64_t{0} : (uint64_t{1} << runs) - 1;
  return all & ~outside_all;
}

double PadRuns::live_share(int64_t columns) const {
  if (run == 0) return 1;
  int64_t met = 0, panels = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(outside.size()); i += columns, ++panels)
    met += std::popcount(live(i, columns));
  return static_cast<double>(met) / static_cast<double>(panels * runs);
}

PadRuns pad_runs(const Read& b, const ContractionLayout& layout, int64_t least) {
  const std::vector<PadEdge> edges = edges_of(b);
  const int64_t columns = volume(layout.n);
  if (edges.empty() || columns > kMostColumns) return {};
  size_t outer = layout.k.size();  // levels of k that some edge uses, and those around them
  int64_t run = 1;
  const auto used = [&](const IndexLevel& level) {
    return std::any_of(edges.begin(), edges.end(),
                       [&](const PadEdge& edge) { return step_of(edge.index, level) != 0; });
  };
  while (outer > 0 && !used(layout.k[outer - 1])) run *= layout.k[--outer].extent;
  const IndexLevels around(layout.k.begin(), layout.k.begin() + static_cast<std::ptrdiff_t>(outer));
  PadRuns found{run, volume(around), std::vector<uint64_t>(static_cast<size_t>(columns))};
  if (run < least || found.runs > kMostRuns) return {};
  bool any = false;
  for (const PadEdge& edge : edges) {
    IndexRange fixed{edge.index.constant, edge.index.constant};
    for (const IndexLevel& level : layout.batch) add_reach(fixed, edge.index, level);
    std::vector<int64_t> of_run;
    for (int64_t r = 0; r < found.runs; ++r) of_run.push_back(value_at(edge.index, around, r));
    for (int64_t i = 0; i < columns; ++i) {
      const int64_t of_column = value_at(edge.index, layout.n, i);
      for (int64_t r = 0; r < found.runs; ++r) {
        const int64_t at = of_column + of_run[static_cast<size_t>(r)];
        if (at + fixed.high >= 0 && at + fixed.low < edge.extent) continue;
        found.outside[static_cast<size_t>(i)] |= uint64_t{1} << r;
        any = true;
      }
    }
  }
  return any ? found : PadRuns{};
}

}  // namespace tessera
