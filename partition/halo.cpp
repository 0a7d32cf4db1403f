#include "partition/halo.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace tessera {
namespace {

// Does a dim that is read there follow its own loop, so that operand_sharding splits it alike?
bool is_plain(const Expr& index, const Dim& dim) {
  const std::optional<Affine> form = affine_form(index);
  const std::optional<Dim> loop = form ? form->plain() : std::nullopt;
  return loop && loop->extent() == dim.extent();
}

// Sums of overlaps with many intervals, each in the time of a search.
class Overlaps {
 public:
  explicit Overlaps(const std::vector<Interval>& intervals) {
    for (const Interval& interval : intervals) {
      begins_.at.push_back(interval.begin);
      ends_.at.push_back(interval.end);
    }
    for (Points* points : {&begins_, &ends_}) {
      std::sort(points->at.begin(), points->at.end());
      points->sums.push_back(0);
      for (const int64_t at : points->at) points->sums.push_back(points->sums.back() + at);
    }
  }

  int64_t with(const Interval& range) const { return below(range.end) - below(range.begin); }

 private:
  struct Points {
    std::vector<int64_t> at;    // ascending
    std::vector<int64_t> sums;  // of the first 0, 1, ...

    // How far `x` is beyond those that are below it, together.
    int64_t beyond(int64_t x) const {
      const auto count = std::lower_bound(at.begin(), at.end(), x) - at.begin();
      return x * count - sums[static_cast<size_t>(count)];
    }
  };
  // What the intervals have below `x`, together.
  int64_t below(int64_t x) const { return begins_.beyond(x) - ends_.beyond(x); }

  Points begins_;
  Points ends_;
};

// Of one operand on its own.
std::optional<HaloDemand> own_demand(const NestRules& rules, size_t operand,
                                     const Assignment& assignment, const Mesh& mesh) {
  const Read& read = *as<Read>(rules.operands()[operand]);
  HaloDemand demand{without_unit_axes(rules.operand_sharding(operand, assignment), mesh), {}};
  for (size_t i = 0; i < read.indices.size(); ++i) {
    const Expr& index = read.indices[i].value;
    if (!index_range(index) || !demand.base.split[i].empty()) continue;
    const Axes axes = axes_of_reach(index, rules, assignment, mesh);
    const bool taken = std::any_of(axes.begin(), axes.end(),
                                   [&demand](int axis) { return uses(demand.base, axis); });
    if (axes.empty() || taken) continue;
    const int64_t extent = read.tensor.dims()[i].extent();
    HaloWindow window{static_cast<int>(i), axes, {}};
    bool whole = true;
    const std::optional<Expr> around = around_of(index, extent);
    for (const int member : mesh.group(0, axes)) {
      const LoopParts parts(rules, assignment, mesh, member);
      const std::optional<Interval> reach =
          around ? parts.reach_around(*around, extent) : parts.reach(index, extent);
      TESSERA_CHECK(reach) << read.tensor.name() << " is read at no range of dim " << i;
      whole = whole && reach->size() == extent;
      window.members.push_back(*reach);
    }
    if (whole) continue;
    demand.base.split[i] = axes;
    demand.windows.push_back(std::move(window));
  }
  if (demand.windows.empty()) return std::nullopt;
  return demand;
}

Interval hull(const Interval& a, const Interval& b) {
  if (a.size() <= 0 || b.size() <= 0) return a.size() <= 0 ? b : a;
  return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

// Widens the windows of `into` to those of `more` too, where that takes no more room than both.
bool join(HaloDemand& into, const HaloDemand& more, const Dims& dims) {
  if (!(into.base == more.base) || into.windows.size() != more.windows.size()) return false;
  HaloDemand joined = into;
  double room = 1, first = 1, second = 1;  // of the ranks that need most
  for (size_t w = 0; w < into.windows.size(); ++w) {
    const HaloWindow& a = into.windows[w];
    const HaloWindow& b = more.windows[w];
    if (a.dim != b.dim || a.axes != b.axes) return false;
    const int64_t extent = dims[static_cast<size_t>(a.dim)].extent();
    int64_t most = 0, most_of_a = 0, most_of_b = 0;
    for (size_t m = 0; m < a.members.size(); ++m) {
      const Interval all = hull(a.members[m], b.members[m]);
      if (all.end > extent && !(a.members[m] == b.members[m])) return false;  // goes around
      joined.windows[w].members[m] = all;
      most = std::max(most, all.size());
      most_of_a = std::max(most_of_a, a.members[m].size());
      most_of_b = std::max(most_of_b, b.members[m].size());
    }
    room *= static_cast<double>(most);
    first *= static_cast<double>(most_of_a);
    second *= static_cast<double>(most_of_b);
  }
  if (room > first + second) return false;
  into = std::move(joined);
  return true;
}

}  // namespace

std::optional<HaloDemand> halo_demand(const NestRules& rules, size_t operand,
                                      const Assignment& assignment, const Mesh& mesh) {
  if (!own_demand(rules, operand, assignment, mesh)) return std::nullopt;
  const Tensor& tensor = rules.operand_tensor(operand);
  std::vector<HaloDemand> shared;
  size_t mine = 0;
  for (size_t k = 0; k < rules.operands().size(); ++k) {
    if (rules.operand_tensor(k) != tensor) continue;
    const std::optional<HaloDemand> own = own_demand(rules, k, assignment, mesh);
    if (!own) continue;
    size_t at = 0;
    while (at < shared.size() && !join(shared[at], *own, tensor.dims())) ++at;
    if (at == shared.size()) shared.push_back(*own);
    if (k == operand) mine = at;
  }
  return shared[mine];
}

bool may_have_windows(const NestRules& rules, size_t operand) {
  const Read& read = *as<Read>(rules.operands()[operand]);
  std::set<Dim> seen;
  for (size_t i = 0; i < read.indices.size(); ++i) {
    const Expr& index = read.indices[i].value;
    if (!index_range(index) || index.dims().empty()) continue;
    if (!is_plain(index, read.tensor.dims()[i])) return true;
    const Dim loop = *affine_form(index)->plain();
    if (!seen.insert(loop).second || may_narrow(rules, loop)) return true;
  }
  return false;
}

namespace {

// The parts of 0 … extent-1 that a range of no more than `extent` covers, which may go around.
std::vector<Interval> parts_of(const Interval& range, int64_t extent) {
  if (range.size() <= 0) return {};
  if (range.end <= extent) return {range};
  return {{range.begin, extent}, {0, range.end - extent}};
}

int64_t common_size(const Interval& wanted, const Interval& owned, int64_t extent) {
  int64_t size = 0;
  for (const Interval& part : parts_of(wanted, extent)) size += intersect(part, owned).size();
  return size;
}

std::vector<Interval> owned_by(const HaloWindow& window, int64_t extent, const Mesh& mesh) {
  std::vector<Interval> owned;
  for (const int member : mesh.group(0, window.axes))
    owned.push_back(block(extent, window.axes, mesh, member));
  return owned;
}

// What `wanted` covers of `owned`, in the order of `wanted`, counted from the beginning of either.
struct Meeting {
  Interval in_wanted;
  Interval in_owned;
};
std::vector<Meeting> meetings(const Interval& wanted, const Interval& owned, int64_t extent) {
  std::vector<Meeting> found;
  int64_t before = 0;
  for (const Interval& part : parts_of(wanted, extent)) {
    const Interval both = intersect(part, owned);
    if (both.size() > 0) {
      const int64_t at = before + both.begin - part.begin;
      found.push_back({{at, at + both.size()}, {both.begin - owned.begin, both.end - owned.begin}});
    }
    before += part.size();
  }
  return found;
}

}  // namespace

std::optional<CommKind> exchange_kind(const HaloWindow& window, int64_t extent, const Mesh& mesh) {
  const std::vector<Interval> owned = owned_by(window, extent, mesh);
  const size_t count = owned.size();
  bool exchanges = false;
  for (size_t m = 0; m < count; ++m) {
    const Interval& wanted = window.members[m];
    std::set<size_t> near = {m};
    int64_t found = common_size(wanted, owned[m], extent);
    exchanges = exchanges || found < wanted.size();
    for (const size_t beside : {(m + 1) % count, (m + count - 1) % count})
      if (near.insert(beside).second) found += common_size(wanted, owned[beside], extent);
    if (found < wanted.size()) return CommKind::window;
  }
  return exchanges ? std::optional(CommKind::halo) : std::nullopt;
}

HaloPieces pieces_of(const HaloWindow& window, int64_t extent, const Mesh& mesh, int me) {
  const std::vector<Interval> owned = owned_by(window, extent, mesh);
  const auto mine = static_cast<size_t>(me);
  HaloPieces pieces;
  for (size_t m = 0; m < owned.size(); ++m) {
    for (const Meeting& meeting : meetings(window.members[m], owned[mine], extent))
      pieces.sends.push_back({static_cast<int>(m), meeting.in_owned});
    for (const Meeting& meeting : meetings(window.members[mine], owned[m], extent))
      pieces.receives.push_back({static_cast<int>(m), meeting.in_wanted});
  }
  return pieces;
}

int64_t halo_bytes(const TensorShape& shape, const Sharding& base, const HaloWindow& window,
                   const Mesh& mesh) {
  auto rest = static_cast<int64_t>(size_of(shape.type));
  const auto dim = static_cast<size_t>(window.dim);
  for (size_t i = 0; i < shape.extents.size(); ++i)
    if (i != dim) rest *= block(shape.extents[i], base.split[i], mesh, 0).size();
  const int64_t extent = shape.extents[dim];
  const std::vector<Interval> owned = owned_by(window, extent, mesh);
  std::vector<Interval> all;
  for (const Interval& member : window.members)
    for (const Interval& part : parts_of(member, extent)) all.push_back(part);
  const Overlaps wanted(all);
  int64_t most = 0;
  for (size_t me = 0; me < owned.size(); ++me) {  // what all own is the whole dim, once
    const int64_t kept = common_size(window.members[me], owned[me], extent);
    const int64_t received = window.members[me].size() - kept;
    const int64_t sent = wanted.with(owned[me]) - kept;
    most = std::max({most, received, sent});
  }
  return most * rest;
}

namespace {

// Bytes that a rank copies: its own part into the window, and, where rows are short, all of it when
// it is packed and when it is put in place.
int64_t window_copies(const TensorShape& shape, const Sharding& base, const HaloWindow& window,
                      const Mesh& mesh) {
  auto bytes = static_cast<int64_t>(size_of(shape.type));
  int64_t outer = 1;
  for (size_t i = 0; i < shape.extents.size(); ++i) {
    const bool here = i == static_cast<size_t>(window.dim);
    const int64_t extent =
        here ? window.members[0].size() : block(shape.extents[i], base.split[i], mesh, 0).size();
    bytes *= extent;
    if (i < static_cast<size_t>(window.dim)) outer *= extent;
  }
  return outer > 1 ? 3 * bytes : bytes;
}

}  // namespace

double halo_seconds(const TensorShape& shape, const HaloDemand& demand, const Mesh& mesh,
                    const CommCost& cost) {
  double seconds = 0;
  for (const HaloWindow& window : demand.windows) {
    const auto kind = exchange_kind(window, shape.extents[static_cast<size_t>(window.dim)], mesh);
    if (!kind) continue;
    seconds +=
        cost.seconds(*kind, mesh, window.axes, halo_bytes(shape, demand.base, window, mesh)) +
        cost.copying(window_copies(shape, demand.base, window, mesh));
  }
  return seconds;
}

}  // namespace tessera
