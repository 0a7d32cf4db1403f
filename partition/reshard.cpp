#include "partition/reshard.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <set>

#include "base/error.h"
#include "partition/moves.h"

namespace tessera {
namespace {

struct State {
  Sharding sharding;
  double seconds = 0;
  int steps = 0;
  int parent = -1;
  ReshardStep by;
  bool done = false;
};

// Cheapest first, then fewest steps, then found first.
struct Entry {
  double seconds;
  int steps;
  int state;

  bool operator>(const Entry& other) const {
    return std::tie(seconds, steps, state) > std::tie(other.seconds, other.steps, other.state);
  }
};

int64_t first_block(int64_t extent, const Axes& split, const Mesh& mesh) {
  for (const int axis : split) extent = (extent + mesh.size(axis) - 1) / mesh.size(axis);
  return extent;
}

// Length of the block of the member at `place` when a range is split over `axes`, the last ones of
// a list, with all others at their first block.
int64_t member_block(int64_t range, const Axes& axes, const Mesh& mesh, int place) {
  int group = mesh.group_size(axes);
  for (const int axis : axes) {
    group /= mesh.size(axis);
    const int64_t width = (range + mesh.size(axis) - 1) / mesh.size(axis);
    const int64_t begin = std::min(range, width * (place / group));
    range = std::min(begin + width, range) - begin;
    place %= group;
  }
  return range;
}

// Members of a group that between them have every combination of block lengths which there is, when
// each of the ranges is split over `axes`. Along an axis, blocks are whole, then one is cut, then
// they are empty; so few coordinates differ, however long the axis is.
std::vector<int> unlike_places(const std::vector<int64_t>& ranges, const Axes& axes,
                               const Mesh& mesh) {
  std::set<int64_t> lengths(ranges.begin(), ranges.end());  // of what the next axis splits
  std::vector<int> places = {0};
  for (const int axis : axes) {
    const int64_t size = mesh.size(axis);
    std::set<int64_t> coordinates = {0, size - 1};
    std::set<int64_t> shorter;
    for (const int64_t length : lengths) {
      const int64_t width = (length + size - 1) / size;
      const int64_t whole = width == 0 ? 0 : length / width;  // blocks
      for (const int64_t at : {whole - 1, whole, whole + 1})
        if (at >= 0 && at < size) coordinates.insert(at);
      shorter.insert({0, width, length - whole * width});
    }
    std::vector<int> longer;
    for (const int place : places)
      for (const int64_t at : coordinates)
        longer.push_back(place * static_cast<int>(size) + static_cast<int>(at));
    places = std::move(longer);
    lengths = std::move(shorter);
  }
  return places;
}

ReshardPath path_to(const std::vector<State>& states, int last) {
  ReshardPath path;
  for (int at = last; states[static_cast<size_t>(at)].parent >= 0;
       at = states[static_cast<size_t>(at)].parent)
    path.steps.insert(path.steps.begin(), states[static_cast<size_t>(at)].by);
  for (const ReshardStep& step : path.steps) {
    path.bytes += step.bytes;
    path.seconds += step.seconds;
  }
  return path;
}

int64_t bytes_of_box(const TensorShape& shape, const Box& box) {
  return volume(box) * static_cast<int64_t>(size_of(shape.type));
}

Box common(const Box& a, const Box& b) {
  Box result;
  for (size_t i = 0; i < a.begin.size(); ++i) {
    const Interval range =
        intersect(Interval{a.begin[i], a.end[i]}, Interval{b.begin[i], b.end[i]});
    result.begin.push_back(range.begin);
    result.end.push_back(range.end);
  }
  return result;
}

}  // namespace

const char* name_of(CommKind kind) {
  switch (kind) {
    case CommKind::all_gather:
      return "all-gather";
    case CommKind::reduce_scatter:
      return "reduce-scatter";
    case CommKind::all_reduce:
      return "all-reduce";
    case CommKind::all_to_all:
      return "all-to-all";
    case CommKind::slice:
      return "slice";
    case CommKind::halo:
      return "halo";
    case CommKind::window:
      return "window";
    case CommKind::mask:
      return "mask";
  }
  return "";
}

double LinearCommCost::seconds(CommKind kind, const Mesh& mesh, const Axes& axes,
                               int64_t bytes) const {
  if (!communicates(kind)) return 0;
  int rounds = 1;
  while (1 << rounds <= mesh.group_size(axes)) ++rounds;
  return latency_ * rounds + static_cast<double>(bytes) / bandwidth_;
}

// Blocks never grow along an axis, so the busiest group is that of rank 0. In it, the member with
// the smallest block lacks the most before an all-gather and keeps the least of a reduce-scatter;
// of an all-to-all, any member may be the busiest.
int64_t busiest_bytes(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                      const Mesh& mesh) {
  if (!communicates(step.kind)) return 0;
  auto rest = static_cast<int64_t>(size_of(shape.type));
  for (int dim = 0; dim < static_cast<int>(shape.extents.size()); ++dim) {
    const auto at = static_cast<size_t>(dim);
    if (dim != step.gather_dim && dim != step.scatter_dim)
      rest *= first_block(shape.extents[at], before.split[at], mesh);
  }
  const int group = mesh.group_size(step.axes);
  if (step.kind == CommKind::all_reduce) {
    const auto bytes = static_cast<int64_t>(size_of(shape.type));
    return 2 * (rest - rest / bytes / group * bytes);
  }
  const auto range = [&](int dim, const Sharding& coarse) {
    const auto at = static_cast<size_t>(dim);
    return first_block(shape.extents[at], coarse.split[at], mesh);
  };
  if (step.kind == CommKind::all_gather || step.kind == CommKind::reduce_scatter) {
    const int64_t all =
        step.gather_dim >= 0 ? range(step.gather_dim, step.after) : range(step.scatter_dim, before);
    if (all % group == 0) return rest * (all - all / group);  // even blocks, as mostly
    int64_t least = all;
    for (const int place : unlike_places({all}, step.axes, mesh))
      least = std::min(least, member_block(all, step.axes, mesh, place));
    return rest * (all - least);
  }
  const int64_t gathered = range(step.gather_dim, step.after);
  const int64_t scattered = range(step.scatter_dim, before);
  if (gathered % group == 0 && scattered % group == 0)
    return rest * (gathered / group) * (scattered - scattered / group);
  int64_t most = 0;
  for (const int place : unlike_places({gathered, scattered}, step.axes, mesh)) {
    const int64_t from = member_block(gathered, step.axes, mesh, place);
    const int64_t to = member_block(scattered, step.axes, mesh, place);
    most = std::max({most, from * (scattered - to), to * (gathered - from)});
  }
  return rest * most;
}

int64_t bytes_moved(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                    const Mesh& mesh, int rank) {
  if (!communicates(step.kind)) return 0;
  const Box own = local_box(shape.extents, before, mesh, rank);
  const Box next = local_box(shape.extents, step.after, mesh, rank);
  if (step.kind == CommKind::all_reduce) {
    const int64_t group = mesh.group_size(step.axes);
    const int64_t kept = volume(own) / group * static_cast<int64_t>(size_of(shape.type));
    return 2 * (bytes_of_box(shape, own) - kept);
  }
  const int64_t kept = bytes_of_box(shape, common(own, next));
  const int64_t sent = bytes_of_box(shape, own) - kept;
  const int64_t received = bytes_of_box(shape, next) - kept;
  if (step.kind == CommKind::reduce_scatter) return sent;
  return step.kind == CommKind::all_gather ? received : std::max(sent, received);
}

int64_t copied_bytes(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                     const Mesh& mesh) {
  const auto bytes_around = [&](const Sharding& sharding, int dim) -> int64_t {
    int64_t outer = 1;
    for (size_t i = 0; i < static_cast<size_t>(std::max(dim, 0)); ++i)
      outer *= block(shape.extents[i], sharding.split[i], mesh, 0).size();
    return outer > 1 ? local_bytes(shape, sharding, mesh) : 0;
  };
  return bytes_around(before, step.scatter_dim) + bytes_around(step.after, step.gather_dim);
}

double seconds_of(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                  const Mesh& mesh, const CommCost& cost) {
  if (!communicates(step.kind)) return cost.seconds(step.kind, mesh, step.axes, 0);
  return cost.seconds(step.kind, mesh, step.axes, busiest_bytes(shape, before, step, mesh)) +
         cost.copying(copied_bytes(shape, before, step, mesh));
}

ReshardPath reshard(const TensorShape& shape, const Sharding& from, const Sharding& to,
                    const Mesh& mesh, const CommCost& cost) {
  TESSERA_CHECK(well_formed(from, shape.extents.size(), mesh) &&
                well_formed(to, shape.extents.size(), mesh));
  if (from == to) return {};
  const MoveTarget target{from, to};
  std::pair<double, int> bound{std::numeric_limits<double>::infinity(), 0};  // a way that is known
  std::vector<State> states{{from, 0, 0, -1, {}, false}};
  std::map<Sharding, int> index{{from, 0}};
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  queue.push({0, 0, 0});
  while (!queue.empty()) {
    const Entry entry = queue.top();
    queue.pop();
    const auto at = static_cast<size_t>(entry.state);
    if (states[at].done) continue;
    states[at].done = true;
    if (states[at].sharding == to) return path_to(states, entry.state);
    const Sharding before = states[at].sharding;
    for (ReshardStep& step : moves_from(before, target, mesh)) {
      step.bytes = busiest_bytes(shape, before, step, mesh);
      step.seconds = seconds_of(shape, before, step, mesh, cost);
      TESSERA_CHECK(step.seconds >= 0) << name_of(step.kind) << " costs " << step.seconds;
      const Entry next{entry.seconds + step.seconds, entry.steps + 1, 0};
      if (std::make_pair(next.seconds, next.steps) >= bound) continue;
      if (step.after == to) bound = {next.seconds, next.steps};
      const auto [it, fresh] = index.emplace(step.after, static_cast<int>(states.size()));
      const auto slot = static_cast<size_t>(it->second);
      if (fresh) {
        states.push_back({step.after, next.seconds, next.steps, entry.state, step, false});
      } else if (!states[slot].done && std::tie(next.seconds, next.steps) <
                                           std::tie(states[slot].seconds, states[slot].steps)) {
        states[slot] = {step.after, next.seconds, next.steps, entry.state, step, false};
      } else {
        continue;
      }
      queue.push({next.seconds, next.steps, it->second});
    }
  }
  TESSERA_CHECK(false) << "no way from one sharding to the other; is it partial by another op?";
  return {};
}

const ReshardPath& Resharder::path(const TensorShape& shape, const Sharding& from,
                                   const Sharding& to) {
  const auto key = std::make_tuple(shape, from, to);
  const auto it = known_.find(key);
  if (it != known_.end()) return it->second;
  return known_.emplace(key, reshard(shape, from, to, mesh_, cost_)).first->second;
}

}  // namespace tessera
