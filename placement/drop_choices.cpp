#include "placement/drop_choices.h"

#include <algorithm>
#include <map>

#include "placement/edge_seconds.h"

namespace tessera {
namespace {

// Seconds of one copy of an edge, by value of the nest at one end, by form at the other.
struct View {
  std::vector<double> seconds;
  size_t forms = 0;
  std::vector<size_t> best;  // by value: a form from, or to, which it takes least
};

class Dropper {
 public:
  Dropper(const NetworkInputs& inputs, PlacementNetwork& placement)
      : in_(inputs), placement_(placement), edges_of_(inputs.skeleton.variables.size()) {
    for (size_t e = 0; e < in_.skeleton.edges.size(); ++e) {
      const Skeleton::Edge& edge = in_.skeleton.edges[e];
      for (const int32_t v : {edge.from, edge.to})
        if (in_.skeleton.variables[static_cast<size_t>(v)].kind == Skeleton::Kind::nest)
          edges_of_[static_cast<size_t>(v)].push_back(static_cast<int32_t>(e));
    }
  }

  void run() {
    for (size_t v = 0; v < edges_of_.size(); ++v) {
      if (in_.skeleton.variables[v].kind != Skeleton::Kind::nest) continue;
      std::shared_ptr<const NestDomain>& known = done_[key_of(v)];
      if (!known) known = reduced(v);
      placement_.nests[v] = known;
    }
  }

 private:
  // All that the outcome depends on.
  std::vector<int64_t> key_of(size_t v) const {
    std::vector<int64_t> key = {static_cast<int64_t>(class_of(v))};
    for (const int32_t type : in_.skeleton.types_of[v]) {
      key.push_back(-1);
      for (const auto& [e, count] : in_.skeleton.types[static_cast<size_t>(type)].edges) {
        const Skeleton::Edge& edge = in_.skeleton.edges[static_cast<size_t>(e)];
        const int32_t other = edge.from == static_cast<int32_t>(v) ? edge.to : edge.from;
        key.push_back(static_cast<int64_t>(edge.meeting));
        key.push_back(edge.detail.empty() ? 0 : edge.detail[0]);
        key.push_back(static_cast<int64_t>(edge.loops));
        key.push_back(count);
        key.push_back(
            reinterpret_cast<intptr_t>(placement_.forms[static_cast<size_t>(other)].get()));
      }
    }
    return key;
  }

  size_t class_of(size_t v) const { return in_.rules.classes.of[in_.skeleton.variables[v].number]; }

  View view_of(size_t v, const Skeleton::Edge& edge) const {
    const std::vector<double> table = edge_seconds(in_, placement_, edge);
    const size_t values = placement_.nests[v]->size();
    View view;
    view.forms = table.size() / values;
    view.seconds.resize(table.size());
    const bool first = edge.from == static_cast<int32_t>(v);
    for (size_t x = 0; x < values; ++x)
      for (size_t f = 0; f < view.forms; ++f)
        view.seconds[x * view.forms + f] =
            first ? table[x * view.forms + f] : table[f * values + x];
    for (size_t x = 0; x < values; ++x) {
      const auto row = view.seconds.begin() + static_cast<std::ptrdiff_t>(x * view.forms);
      view.best.push_back(static_cast<size_t>(
          std::min_element(row, row + static_cast<std::ptrdiff_t>(view.forms)) - row));
    }
    return view;
  }

  // Bytes of what a value makes, and of what it reads of each tensor.
  std::vector<std::vector<double>> bytes_of(size_t v) const {
    const NestDomain& domain = *placement_.nests[v];
    const NestRules& rules = in_.rules.nests[in_.skeleton.variables[v].number];
    const NestClass& known = in_.rules.classes.classes[class_of(v)];
    std::vector<std::vector<double>> bytes(domain.size());
    const auto of = [&](const Tensor& tensor, const Sharding& form) {
      return static_cast<double>(local_bytes(shape_of(tensor), form, in_.mesh));
    };
    const Tensor& out = rules.nest().out;
    const Forms results(out.dims().size(), in_.mesh.count());
    for (size_t x = 0; x < domain.size(); ++x) {
      bytes[x].push_back(of(out, results.sharding(domain.result[x])));
      int next = 0;
      for (size_t k = 0; k < known.distinct_of.size(); ++k) {
        if (known.distinct_of[k] != next) continue;
        const Tensor& tensor = rules.operand_tensor(k);
        const Forms forms(tensor.dims().size(), in_.mesh.count());
        double total = 0;
        for (const int form : domain.forms[static_cast<size_t>(next)][x])
          total += of(tensor, forms.sharding(form));
        const Scope scope = common(in_.rules.scopes.of(tensor), in_.rules.scopes.of(out));
        for (const Demand& demand : domain.demands[static_cast<size_t>(next)][x])
          total += of(tensor, outside(demand.form, scope));
        bytes[x].push_back(total);
        ++next;
      }
    }
    return bytes;
  }

  std::shared_ptr<const NestDomain> reduced(size_t v) {
    const std::shared_ptr<const NestDomain>& domain = placement_.nests[v];
    std::map<int32_t, View> views;
    for (const int32_t e : edges_of_[v])
      views.emplace(e, view_of(v, in_.skeleton.edges[static_cast<size_t>(e)]));
    const std::vector<std::vector<double>> bytes = bytes_of(v);
    std::vector<char> dropped(domain->size(), 0);
    const auto dominates = [&](size_t y, size_t x) {
      for (size_t b = 0; b < bytes[x].size(); ++b)
        if (bytes[y][b] > bytes[x][b]) return false;
      for (const int32_t t : in_.skeleton.types_of[v])
        if (!no_slower(*domain, views, in_.skeleton.types[static_cast<size_t>(t)], y, x))
          return false;
      return true;
    };
    for (size_t x = domain->size(); x-- > 0;)
      for (size_t y = 0; y < domain->size() && !dropped[x]; ++y)
        dropped[x] = y != x && !dropped[y] && dominates(y, x);
    return without(domain, dropped);
  }

  static bool no_slower(const NestDomain& domain, const std::map<int32_t, View>& views,
                        const Skeleton::Type& type, size_t y, size_t x) {
    double quick = domain.seconds[y] - domain.seconds[x];
    for (const auto& [e, count] : type.edges) {
      const View& view = views.at(e);
      const size_t at = view.best[x];
      quick += count * (view.seconds[y * view.forms + at] - view.seconds[x * view.forms + at]);
    }
    if (quick > 0) return false;
    double worst = domain.seconds[y] - domain.seconds[x];
    for (const auto& [e, count] : type.edges) {
      const View& view = views.at(e);
      const double* of_y = view.seconds.data() + y * view.forms;
      const double* of_x = view.seconds.data() + x * view.forms;
      double most = -kForbidden;
      for (size_t f = 0; f < view.forms; ++f) most = std::max(most, of_y[f] - of_x[f]);
      worst += count * most;
    }
    return worst <= 0;
  }

  static std::shared_ptr<const NestDomain> without(const std::shared_ptr<const NestDomain>& domain,
                                                   const std::vector<char>& dropped) {
    if (std::find(dropped.begin(), dropped.end(), 1) == dropped.end()) return domain;
    auto left = std::make_shared<NestDomain>();
    left->demands.resize(domain->demands.size());
    left->forms.resize(domain->forms.size());
    for (size_t x = 0; x < dropped.size(); ++x) {
      if (dropped[x]) continue;
      left->choices.push_back(domain->choices[x]);
      left->seconds.push_back(domain->seconds[x]);
      left->result.push_back(domain->result[x]);
      for (size_t t = 0; t < domain->demands.size(); ++t) {
        left->demands[t].push_back(domain->demands[t][x]);
        left->forms[t].push_back(domain->forms[t][x]);
      }
    }
    return left;
  }

  const NetworkInputs& in_;
  PlacementNetwork& placement_;
  std::vector<std::vector<int32_t>> edges_of_;  // by variable; of nests
  std::map<std::vector<int64_t>, std::shared_ptr<const NestDomain>> done_;
};

}  // namespace

void drop_dominated_choices(const NetworkInputs& inputs, PlacementNetwork& placement) {
  Dropper(inputs, placement).run();
}

}  // namespace tessera
