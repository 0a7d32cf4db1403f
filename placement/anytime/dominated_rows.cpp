#include "placement/anytime/dominated_rows.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"

namespace tessera {
namespace {

// From row `begin` on, up to the next piece, the values of a variable take these bytes.
struct Piece {
  int32_t begin;
  std::vector<double> bytes;
};

class RowReducer {
 public:
  explicit RowReducer(const Network& network) : in_(network), spans_at_(network.size()) {
    TESSERA_CHECK(network.entries.empty());
    for (const Network::Row& row : network.rows) limits_.push_back(row.limit);
    for (size_t s = 0; s < network.spans.size(); ++s)
      spans_at_[network.spans[s].variable].push_back(s);
  }

  FewerRows run() {
    pieces_.resize(in_.size());
    for (int32_t v = 0; v < in_.size(); ++v) cut(v);
    choose_rows();
    FewerRows result{in_, std::move(row_)};
    Network& out = result.network;
    out.rows.clear();
    out.spans.clear();
    out.bytes.clear();
    for (int32_t r : kept_) out.add_row(limits_[r], {});
    for (int32_t v = 0; v < in_.size(); ++v) add_spans(v, out);
    return result;
  }

 private:
  // The bytes of v as pieces, the least of each piece taken from the limits.
  void cut(int32_t v) {
    std::vector<std::pair<int32_t, std::pair<size_t, double>>> events;
    for (size_t s : spans_at_[v]) {
      events.push_back({in_.spans[s].begin, {in_.spans[s].bytes, 1}});
      events.push_back({in_.spans[s].end, {in_.spans[s].bytes, -1}});
    }
    std::sort(events.begin(), events.end());
    const auto values = static_cast<size_t>(in_.domain(v));
    std::vector<double> level(values, 0);
    for (size_t i = 0; i < events.size();) {
      const int32_t row = events[i].first;
      for (; i < events.size() && events[i].first == row; ++i)
        for (size_t x = 0; x < values; ++x)
          level[x] += events[i].second.second * in_.bytes[events[i].second.first + x];
      const double least = *std::min_element(level.begin(), level.end());
      if (i < events.size())
        for (int32_t r = row; r < events[i].first; ++r) limits_[r] -= least;
      Piece piece{row, level};
      for (double& bytes : piece.bytes) bytes -= least;
      if (pieces_[v].empty() || pieces_[v].back().bytes != piece.bytes)
        pieces_[v].push_back(std::move(piece));
    }
  }

  // What has changed since the last row that was kept: of one variable, of each value.
  using Changes = std::map<int32_t, std::vector<double>>;

  static void compare(const Changes& changes, bool& no_less, bool& no_more) {
    for (const auto& [v, change] : changes)
      for (const double more : change) {
        no_less = no_less && more >= 0;
        no_more = no_more && more <= 0;
        if (!no_less && !no_more) return;
      }
  }

  void choose_rows() {
    std::vector<std::vector<std::pair<int32_t, int32_t>>> begins(limits_.size() + 1);
    for (int32_t v = 0; v < in_.size(); ++v)
      for (size_t p = 0; p < pieces_[v].size(); ++p)
        begins[pieces_[v][p].begin].push_back({v, static_cast<int32_t>(p)});
    row_.resize(limits_.size());
    Changes changes;
    for (size_t r = 0; r < limits_.size(); ++r) {
      for (const auto& [v, p] : begins[r]) add_change(v, p, changes);
      bool no_less = !kept_.empty() && limits_[r] <= limits_[kept_.back()];
      bool no_more = !kept_.empty() && limits_[r] >= limits_[kept_.back()];
      if (no_less || no_more) compare(changes, no_less, no_more);
      if (no_more && !kept_.empty()) {
        row_[r] = static_cast<int32_t>(kept_.size()) - 1;
        continue;
      }
      if (no_less && !kept_.empty())
        kept_.back() = static_cast<int32_t>(r);
      else
        kept_.push_back(static_cast<int32_t>(r));
      row_[r] = static_cast<int32_t>(kept_.size()) - 1;
      changes.clear();
    }
  }

  void add_change(int32_t v, int32_t p, Changes& changes) const {
    const auto values = static_cast<size_t>(in_.domain(v));
    auto [at, fresh] = changes.try_emplace(v, values, 0.0);
    for (size_t x = 0; x < values; ++x)
      at->second[x] += pieces_[v][p].bytes[x] - (p == 0 ? 0 : pieces_[v][p - 1].bytes[x]);
  }

  // Pieces at the rows that are kept; those that last as one.
  void add_spans(int32_t v, Network& out) const {
    const std::vector<Piece>& pieces = pieces_[v];
    const auto place = [&](int32_t row) {
      return static_cast<int32_t>(std::lower_bound(kept_.begin(), kept_.end(), row) -
                                  kept_.begin());
    };
    int32_t begin = 0;
    const Piece* open = nullptr;
    const auto close = [&](int32_t end) {
      if (open && begin<end&& * std::max_element(open->bytes.begin(), open->bytes.end())> 0)
        out.add_span(v, begin, end, open->bytes);
    };
    for (size_t p = 0; p < pieces.size(); ++p) {
      const int32_t from = place(pieces[p].begin);
      const int32_t to =
          p + 1 < pieces.size() ? place(pieces[p + 1].begin) : static_cast<int32_t>(kept_.size());
      if (from == to || (open && open->bytes == pieces[p].bytes)) continue;
      close(from);
      begin = from;
      open = &pieces[p];
    }
    close(static_cast<int32_t>(kept_.size()));
  }

  const Network& in_;
  std::vector<std::vector<size_t>> spans_at_;
  std::vector<std::vector<Piece>> pieces_;  // by variable; disjoint, the last one takes nothing
  std::vector<double> limits_;
  std::vector<int32_t> kept_;
  std::vector<int32_t> row_;
};

}  // namespace

FewerRows drop_dominated_rows(const Network& network) {
  return RowReducer(network).run();
}

}  // namespace tessera
