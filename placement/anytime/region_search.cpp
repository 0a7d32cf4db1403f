#include "placement/anytime/region_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace tessera {
namespace {

constexpr int kPriceSteps = 8;
constexpr size_t kMostTaken = 200'000;  // parts looked at while some are taken back

}  // namespace

RegionSearch::RegionSearch(const Network& network, uint64_t seed)
    : network_(network),
      use_(network),
      state_(seed),
      forbidden_(more_than_any(network)),
      tables_(network.tables),
      begin_(network.size() + 1, 0),
      prices_(network.rows.size(), 0),
      place_(network.size(), -1) {
  for (double& cost : tables_) cost = std::min(cost, 2 * forbidden_);
  for (const Network::Edge& edge : network.edges) {
    ++begin_[edge.a + 1];
    ++begin_[edge.b + 1];
  }
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  links_.resize(2 * network.edges.size());
  std::vector<size_t> next(begin_.begin(), begin_.end() - 1);
  for (size_t e = 0; e < network.edges.size(); ++e) {
    const Network::Edge& edge = network.edges[e];
    links_[next[edge.a]++] = {static_cast<int32_t>(e), edge.b};
    links_[next[edge.b]++] = {static_cast<int32_t>(e), edge.a};
  }
}

// splitmix64
uint64_t RegionSearch::random() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

double RegionSearch::pair(int32_t edge, int32_t v, int32_t x, int32_t y) const {
  const Network::Edge& e = network_.edges[edge];
  const auto columns = static_cast<size_t>(network_.domain(e.b));
  return e.a == v ? tables_[e.table + x * columns + y] : tables_[e.table + y * columns + x];
}

void RegionSearch::load(const Values& values) {
  values_ = values;
  next_ = values;
  shaken_.clear();
  recount();
}

void RegionSearch::recount() {
  usage_ = usages_of(network_, values_);
  cost_ = 0;
  for (int32_t v = 0; v < network_.size(); ++v)
    cost_ += network_.costs[network_.first[v] + values_[v]];
  for (size_t e = 0; e < network_.edges.size(); ++e)
    cost_ += pair(static_cast<int32_t>(e), network_.edges[e].a, values_[network_.edges[e].a],
                  values_[network_.edges[e].b]);
  excess_ = scaled_excess(usage_);
  tight_.clear();
  double most = 0;
  for (size_t r = 0; r < usage_.size(); ++r) most = std::max(most, use_.limits()[r]);
  for (size_t r = 0; r < usage_.size(); ++r)
    if (usage_[r] > use_.limits()[r] - 0.02 * most || prices_[r] > 0)
      tight_.push_back(static_cast<int32_t>(r));
}

double RegionSearch::scaled_excess(const std::vector<double>& usage) const {
  double total = 0;
  for (size_t r = 0; r < usage.size(); ++r) total += std::max(0.0, usage[r] - use_.limits()[r]);
  return total;
}

// Adds v to the region when exactly one neighbour is in it, or none is and it may begin a tree.
bool RegionSearch::join(int32_t v) {
  if (place_[v] >= 0) return false;
  int32_t parent = -1, edge = -1;
  for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
    const int32_t at = place_[links_[i].other];
    if (at < 0) continue;
    if (parent >= 0) return false;
    parent = at;
    edge = links_[i].edge;
  }
  place_[v] = static_cast<int32_t>(region_.size());
  region_.push_back({v, parent, edge, 0, 0});
  return true;
}

void RegionSearch::grow(int32_t seed, int32_t size) {
  if (!join(seed)) return;
  std::vector<int32_t> frontier;
  const auto push = [&](int32_t v) {
    const auto degree = static_cast<int32_t>(begin_[v + 1] - begin_[v]);
    constexpr int32_t kMost = 48;
    for (int32_t i = 0; i < std::min(degree, kMost); ++i) {
      const int32_t at = degree <= kMost ? i : random(degree);
      const int32_t u = links_[begin_[v] + static_cast<size_t>(at)].other;
      if (place_[u] < 0) frontier.push_back(u);
    }
  };
  push(seed);
  for (int32_t count = 1; count < size && !frontier.empty();) {
    const auto at = static_cast<size_t>(random(static_cast<int32_t>(frontier.size())));
    const int32_t v = frontier[at];
    frontier[at] = frontier.back();
    frontier.pop_back();
    if (!join(v)) continue;
    ++count;
    push(v);
  }
}

int32_t RegionSearch::seed_variable() {
  if (!shaken_.empty() && random() % 4 != 0)
    return shaken_[static_cast<size_t>(random(static_cast<int32_t>(shaken_.size())))];
  if (tight_.empty() || random() % 2) return random(network_.size());
  const int32_t row = tight_[static_cast<size_t>(random(static_cast<int32_t>(tight_.size())))];
  for (int tries = 0; tries < 30; ++tries) {
    const int32_t v = random(network_.size());
    for (const Network::Span& span : use_.of(v))
      if (span.begin <= row && row < span.end) return v;
  }
  return random(network_.size());
}

void RegionSearch::choose_region() {
  for (const Member& member : region_) place_[member.variable] = -1;
  region_.clear();
  const double most = std::log(std::min(2000, std::max(4, network_.size())));
  const double least = std::log(3.0);
  const double share = static_cast<double>(random() >> 11) * 0x1.0p-53;
  const auto size = static_cast<int32_t>(std::exp(least + share * (most - least)));
  const int32_t seeds = 1 + (random() % 3 == 0 ? 0 : random(std::min(8, std::max(1, size / 2))));
  for (int32_t s = 0; s < seeds; ++s) grow(seed_variable(), std::max(1, size / seeds));
}

// Costs of each member's values with all but the region fixed, without prices.
void RegionSearch::prepare_region() {
  size_t bases = 0, choices = 0;
  for (Member& member : region_) {
    member.base = bases;
    member.choice = choices;
    bases += static_cast<size_t>(network_.domain(member.variable));
    if (member.parent >= 0)
      choices += static_cast<size_t>(network_.domain(region_[member.parent].variable));
  }
  base_.resize(bases);
  choice_.resize(choices);
  for (const Member& member : region_) {
    const int32_t v = member.variable, values = network_.domain(v);
    double* base = base_.data() + member.base;
    std::copy_n(network_.costs.data() + network_.first[v], values, base);
    for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
      const Link& link = links_[i];
      if (place_[link.other] >= 0) continue;
      const Network::Edge& edge = network_.edges[link.edge];
      const auto columns = static_cast<size_t>(network_.domain(edge.b));
      const auto other = static_cast<size_t>(values_[link.other]);
      const bool first = edge.a == v;
      const double* table = tables_.data() + edge.table + (first ? other : other * columns);
      const size_t stride = first ? columns : 1;
      for (int32_t x = 0; x < values; ++x) base[x] += table[x * stride];
    }
  }
}

// Sets next_ for the region to its cheapest values at the prices; returns what they cost there.
double RegionSearch::minimise(const std::vector<double>& sums) {
  total_ = base_;
  for (const Member& member : region_)
    use_.add_priced(member.variable, sums, total_.data() + member.base);
  double result = 0;
  for (size_t k = region_.size(); k-- > 0;) {
    const Member& member = region_[k];
    const int32_t values = network_.domain(member.variable);
    const double* total = total_.data() + member.base;
    if (member.parent < 0) {
      const double* least = std::min_element(total, total + values);
      next_[member.variable] = static_cast<int32_t>(least - total);
      result += *least;
      continue;
    }
    const Member& parent = region_[member.parent];
    const int32_t outer = network_.domain(parent.variable);
    const Network::Edge& edge = network_.edges[member.edge];
    const double* table = tables_.data() + edge.table;
    int32_t* choice = choice_.data() + member.choice;
    double* into = total_.data() + parent.base;
    if (edge.a == member.variable) {
      message_.assign(static_cast<size_t>(outer), kForbidden);
      double* message = message_.data();
      for (int32_t x = 0; x < values; ++x)
        for (int32_t y = 0; y < outer; ++y) {
          const double cost = total[x] + table[static_cast<size_t>(x) * outer + y];
          const bool better = cost < message[y];
          message[y] = better ? cost : message[y];
          choice[y] = better ? x : choice[y];
        }
      for (int32_t y = 0; y < outer; ++y) into[y] += message[y];
    } else {
      for (int32_t y = 0; y < outer; ++y) {
        const double* row = table + static_cast<size_t>(y) * values;
        double least = kForbidden;
        int32_t best = 0;
        for (int32_t x = 0; x < values; ++x) {
          const double cost = total[x] + row[x];
          const bool better = cost < least;
          least = better ? cost : least;
          best = better ? x : best;
        }
        choice[y] = best;
        into[y] += least;
      }
    }
  }
  for (const Member& member : region_)
    if (member.parent >= 0)
      next_[member.variable] =
          choice_[member.choice + static_cast<size_t>(next_[region_[member.parent].variable])];
  return result;
}

// What the cost changes by when the changed variables take their next values.
double RegionSearch::change_of(const std::vector<int32_t>& changed, const Values& next) const {
  double change = 0;
  for (const int32_t v : changed) {
    change += network_.costs[network_.first[v] + next[v]] -
              network_.costs[network_.first[v] + values_[v]];
    for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
      const int32_t u = links_[i].other;
      if (next[u] != values_[u] && u < v) continue;
      change += pair(links_[i].edge, v, next[v], next[u]) -
                pair(links_[i].edge, v, values_[v], values_[u]);
    }
  }
  return change;
}

// The rows from the first to the last that any of the variables uses.
RegionSearch::Window RegionSearch::window_of(const std::vector<int32_t>& variables) const {
  Window window{static_cast<int32_t>(usage_.size()), 0};
  for (const int32_t v : variables)
    for (const Network::Span& span : use_.of(v)) {
      window.begin = std::min(window.begin, span.begin);
      window.end = std::max(window.end, span.end);
    }
  window.begin = std::min(window.begin, window.end);
  return window;
}

// What the usage of rows changes by, `sign` times, when these variables take their next values.
void RegionSearch::add_changes(const std::vector<int32_t>& changed, const Values& next,
                               const Window& window, double sign, std::vector<double>& usage) {
  difference_.resize(usage.size() + 1);
  std::fill(difference_.begin() + window.begin, difference_.begin() + window.end + 1, 0.0);
  for (const int32_t v : changed) {
    use_.add_change(v, values_[v], -sign, difference_);
    use_.add_change(v, next[v], sign, difference_);
  }
  double level = 0;
  for (int32_t r = window.begin; r < window.end; ++r) usage[r] += level += difference_[r];
}

double RegionSearch::excess_in(const Window& window) const {
  double total = 0;
  for (int32_t r = window.begin; r < window.end; ++r)
    total += std::max(0.0, usage_[r] - use_.limits()[r]);
  return total;
}

// Takes the next values where that is better: less excess, or as little and a lower cost.
bool RegionSearch::offer(const Values& next, const std::vector<int32_t>& changed) {
  const double change = change_of(changed, next);
  const double slight = 1e-12 * std::abs(cost_);
  if (cost_ + change >= forbidden_ && change >= -slight) return false;
  if (excess_ <= 0 && change > slight) return false;
  const Window window = window_of(changed);
  const double before = excess_ > 0 ? excess_in(window) : 0;
  add_changes(changed, next, window, 1, usage_);
  const double after = excess_in(window);
  if (after > before || (after == before && change > slight)) {
    add_changes(changed, next, window, -1, usage_);
    return false;
  }
  for (const int32_t v : changed) values_[v] = next[v];
  cost_ += change;
  if (after < before) excess_ = scaled_excess(usage_);
  return after < before || change < -slight;
}

// The connected parts of the changed variables, each on its own: all at first, then, as long as a
// row is exceeded, without the part that saves least for what it takes there.
bool RegionSearch::take_parts(Values next, std::vector<int32_t> changed) {
  std::vector<std::vector<int32_t>> parts;
  std::vector<char> seen(values_.size(), 1);
  for (const int32_t v : changed) seen[v] = 0;
  for (const int32_t v : changed) {
    if (seen[v]) continue;
    parts.push_back({v});
    seen[v] = 1;
    for (size_t k = 0; k < parts.back().size(); ++k) {
      const int32_t u = parts.back()[k];
      for (size_t i = begin_[u]; i < begin_[u + 1]; ++i)
        if (const int32_t w = links_[i].other; !seen[w]) {
          seen[w] = 1;
          parts.back().push_back(w);
        }
    }
  }
  std::vector<double> gains;
  for (const std::vector<int32_t>& part : parts) gains.push_back(-change_of(part, next));
  const Window window = window_of(changed);
  std::vector<double> usage = usage_, limits(usage_.size());
  for (int32_t r = window.begin; r < window.end; ++r)
    limits[r] = std::max(use_.limits()[r], usage_[r]);
  const auto add = [&](size_t p, double sign) {
    add_changes(parts[p], next, window_of(parts[p]), sign, usage);
  };
  const auto more_at = [&](size_t p, int32_t row) {
    double more = 0;
    for (const int32_t v : parts[p])
      for (const Network::Span& span : use_.of(v))
        if (span.begin <= row && row < span.end)
          more += network_.bytes[span.bytes + next[v]] - network_.bytes[span.bytes + values_[v]];
    return more;
  };
  std::vector<char> in(parts.size(), 1);
  size_t taken_back = 0;
  add_changes(changed, next, window, 1, usage);
  for (size_t left = parts.size(); left > 0; --left) {
    int32_t row = -1;
    double worst = 0;
    for (int32_t r = window.begin; r < window.end; ++r)
      if (usage[r] - limits[r] > worst) {
        worst = usage[r] - limits[r];
        row = r;
      }
    if (row < 0) break;
    if (++taken_back * parts.size() > kMostTaken) return false;
    double best = kForbidden;
    size_t out = parts.size();
    for (size_t p = 0; p < parts.size(); ++p) {
      if (!in[p]) continue;
      const double more = more_at(p, row);
      if (more <= 0) continue;
      const double price = gains[p] > 0 ? gains[p] / std::min(more, worst) : gains[p];
      if (price < best) {
        best = price;
        out = p;
      }
    }
    if (out == parts.size()) return false;
    in[out] = 0;
    add(out, -1);
  }
  for (size_t p = 0; p < parts.size(); ++p) {
    if (in[p]) continue;
    for (const int32_t v : parts[p]) next[v] = values_[v];
  }
  std::erase_if(changed, [&](int32_t v) { return next[v] == values_[v]; });
  return !changed.empty() && offer(next, changed);
}

bool RegionSearch::blend(const Values& other) {
  std::vector<int32_t> changed;
  for (int32_t v = 0; v < network_.size(); ++v)
    if (other[v] != values_[v]) changed.push_back(v);
  if (changed.empty()) return false;
  const bool better = offer(other, changed) || take_parts(other, changed);
  next_ = values_;
  return better;
}

// Bytes that the others leave for the region in each row of the window, and what it costs now.
double RegionSearch::leave_room(const Window& window) {
  room_.resize(usage_.size() + 1);
  std::fill(room_.begin() + window.begin, room_.begin() + window.end + 1, 0.0);
  double now = 0;
  for (const Member& member : region_) {
    const int32_t v = member.variable;
    use_.add_change(v, values_[v], 1, room_);
    now += base_[member.base + static_cast<size_t>(values_[v])];
    if (member.parent >= 0)
      now += pair(member.edge, v, values_[v], values_[region_[member.parent].variable]);
  }
  double level = 0;
  for (int32_t r = window.begin; r < window.end; ++r) {
    level += room_[r];
    // Rows that are exceeded, as rounding may do by a hair, must not become fuller.
    const double limit = excess_ > 0 ? use_.limits()[r] : std::max(use_.limits()[r], usage_[r]);
    room_[r] = limit - usage_[r] + level;
  }
  return now;
}

bool RegionSearch::shake() {
  shaken_.clear();
  for (const Member& member : region_) place_[member.variable] = -1;
  region_.clear();
  grow(seed_variable(), 1 + random(std::min(24, network_.size())));
  prepare_region();
  const Member& first = region_.front();
  base_[first.base + static_cast<size_t>(values_[first.variable])] += forbidden_;
  minimise(RowUse::sums_of(prices_));
  std::vector<int32_t> members, changed;
  for (const Member& member : region_) {
    members.push_back(member.variable);
    if (next_[member.variable] != values_[member.variable]) changed.push_back(member.variable);
  }
  const double change = change_of(changed, next_);
  const Window window = window_of(changed);
  add_changes(changed, next_, window, 1, usage_);
  const bool fits = cost_ + change < forbidden_ && excess_in(window) <= 0;
  if (fits) {
    for (const int32_t v : changed) values_[v] = next_[v];
    cost_ += change;
    shaken_ = members;
  } else {
    add_changes(changed, next_, window, -1, usage_);
  }
  for (const int32_t v : members) next_[v] = values_[v];
  return fits;
}

bool RegionSearch::step() {
  choose_region();
  prepare_region();
  std::vector<int32_t> members, changed;
  for (const Member& member : region_) members.push_back(member.variable);
  const Window window = window_of(members);
  const double now = leave_room(window);
  sums_.resize(usage_.size() + 1);
  step_prices_.resize(usage_.size());
  std::copy(prices_.begin() + window.begin, prices_.begin() + window.end,
            step_prices_.begin() + window.begin);
  std::vector<double>& over = over_;
  over.resize(usage_.size());
  bool better = false;
  for (int k = 0; k < kPriceSteps && !better; ++k) {
    double saved = 0;
    sums_[window.begin] = 0;
    for (int32_t r = window.begin; r < window.end; ++r) {
      sums_[r + 1] = sums_[r] + step_prices_[r];
      saved += step_prices_[r] * room_[r];
    }
    const double bound = minimise(sums_) - saved;
    if (excess_ <= 0 && bound >= now - 1e-9 * std::abs(now)) break;
    changed.clear();
    difference_.resize(usage_.size() + 1);
    std::fill(difference_.begin() + window.begin, difference_.begin() + window.end + 1, 0.0);
    for (const int32_t v : members) {
      if (next_[v] != values_[v]) changed.push_back(v);
      use_.add_change(v, next_[v], 1, difference_);
    }
    double sum = 0, norm = 0;
    bool fits = true;
    for (int32_t r = window.begin; r < window.end; ++r) {
      sum += difference_[r];
      over[r] = sum - room_[r];
      fits = fits && over[r] <= 0;
      if (over[r] > 0 || step_prices_[r] > 0) norm += over[r] * over[r];
    }
    if (!changed.empty()) {
      better = offer(next_, changed);
      if (!better && !fits) better = take_parts(next_, changed);
    }
    if (better || norm == 0) break;
    const double target = excess_ > 0 ? now + std::abs(now) : now;
    const double length = std::max(target - bound, 1e-6 * std::abs(now)) / norm;
    for (int32_t r = window.begin; r < window.end; ++r)
      step_prices_[r] = std::max(0.0, step_prices_[r] + length * over[r]);
  }
  for (const int32_t v : members) next_[v] = values_[v];
  return better;
}

}  // namespace tessera
