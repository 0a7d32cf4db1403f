#include "placement/presolve_rows.h"

#include <algorithm>

#include "placement/range_maximum.h"

namespace tessera {

PresolveRows::PresolveRows(const Network& network, std::vector<std::vector<double>>& unary)
    : unary_(unary), at_(network.size()), keep_rows_(network.entries.empty()) {
  const auto add = [&](const Network::Span& span) {
    const double* from = network.bytes.data() + span.bytes;
    at_[span.variable].push_back(
        {span.begin, span.end, {from, from + unary_[span.variable].size()}});
  };
  for (const Network::Row& row : network.rows) {
    const auto r = static_cast<int32_t>(limits_.size());
    limits_.push_back(row.limit);
    for (size_t i = row.begin; i < row.end; ++i)
      add({network.entries[i].variable, r, r + 1, network.entries[i].bytes});
  }
  for (const Network::Span& span : network.spans) add(span);
}

// Least and most bytes of the values of v that are left.
std::pair<double, double> PresolveRows::range_of(int32_t v, const Bytes& row) const {
  double low = kForbidden, high = -kForbidden;
  for (size_t x = 0; x < row.bytes.size(); ++x) {
    if (!alive(v, x)) continue;
    low = std::min(low, row.bytes[x]);
    high = std::max(high, row.bytes[x]);
  }
  return {low, high};
}

void PresolveRows::take_from_limits(const Bytes& row, double bytes) {
  for (int32_t r = row.begin; r < row.end; ++r) limits_[r] -= bytes;
}

bool PresolveRows::simplify() {
  std::vector<double> least(limits_.size() + 1, 0), most(limits_.size() + 1, 0);
  for (size_t i = 0; i < at_.size(); ++i) {
    const auto v = static_cast<int32_t>(i);
    std::erase_if(at_[v], [&](const Bytes& row) {
      auto [low, high] = range_of(v, row);
      if (low == high) take_from_limits(row, low);
      return low == high;
    });
    for (const Bytes& row : at_[v]) {
      auto [low, high] = range_of(v, row);
      least[row.begin] += low;
      least[row.end] -= low;
      most[row.begin] += high;
      most[row.end] -= high;
    }
  }
  for (size_t r = 0; r < limits_.size(); ++r) {
    least[r + 1] += least[r];
    most[r + 1] += most[r];
    least[r] -= limits_[r];
    most[r] -= limits_[r];
    if (least[r] > 0) infeasible_ = true;
  }
  if (infeasible_) return true;
  least.pop_back();
  most.pop_back();
  const RangeMaximum fullest(least), highest(most);
  bool changed = false;
  for (size_t i = 0; i < at_.size(); ++i) {
    const auto v = static_cast<int32_t>(i);
    for (const Bytes& row : at_[v]) changed |= drop_too_big(v, row, fullest.of(row.begin, row.end));
    std::erase_if(at_[v], [&](Bytes& row) {
      while (row.begin < row.end && most[row.begin] <= 0) ++row.begin;
      while (row.begin < row.end && most[row.end - 1] <= 0) --row.end;
      const bool gone = row.begin == row.end || highest.of(row.begin, row.end) <= 0;
      changed |= gone;
      return gone;
    });
  }
  return changed;
}

// Drops the values of v that exceed a row even where all others take their least, which is `over`
// above the limit (below it: negative).
bool PresolveRows::drop_too_big(int32_t v, const Bytes& row, double over) {
  bool changed = false;
  const double own = range_of(v, row).first;
  for (size_t x = 0; x < row.bytes.size(); ++x) {
    if (!alive(v, x) || over - own + row.bytes[x] <= 0) continue;
    unary_[v][x] = kForbidden;
    changed = true;
  }
  return changed;
}

void PresolveRows::fix(int32_t v, int32_t x) {
  for (const Bytes& row : at_[v]) take_from_limits(row, row.bytes[x]);
  at_[v].clear();
}

// The bytes of v in the rows of `row`.
PresolveRows::Bytes* PresolveRows::row_of(int32_t v, const Bytes& row) {
  for (Bytes& candidate : at_[v])
    if (candidate.begin == row.begin && candidate.end == row.end) return &candidate;
  at_[v].push_back({row.begin, row.end, std::vector<double>(unary_[v].size(), 0)});
  return &at_[v].back();
}

void PresolveRows::merge(int32_t a, int32_t b, const std::vector<int32_t>& choice) {
  for (const Bytes& row : at_[b]) {
    Bytes* target = row_of(a, row);
    for (size_t x = 0; x < choice.size(); ++x) target->bytes[x] += row.bytes[choice[x]];
  }
  at_[b].clear();
}

void PresolveRows::compact(const std::vector<int32_t>& number,
                           const std::vector<std::vector<int32_t>>& values,
                           Network& network) const {
  const auto left = [&](const Bytes& row, int32_t v) {
    std::vector<double> bytes;
    for (int32_t x : values[number[v]]) bytes.push_back(row.bytes[x]);
    return bytes;
  };
  std::vector<std::vector<Network::RowItem>> items(limits_.size());
  if (keep_rows_)
    for (double limit : limits_) network.add_row(limit, {});
  for (size_t i = 0; i < at_.size(); ++i) {
    const auto v = static_cast<int32_t>(i);
    if (number[v] < 0) continue;
    for (const Bytes& row : at_[v]) {
      if (keep_rows_) network.add_span(number[v], row.begin, row.end, left(row, v));
      for (int32_t r = row.begin; r < row.end && !keep_rows_; ++r)
        items[r].push_back({number[v], left(row, v)});
    }
  }
  for (size_t r = 0; r < limits_.size(); ++r)
    if (!items[r].empty()) network.add_row(limits_[r], items[r]);
}

}  // namespace tessera
