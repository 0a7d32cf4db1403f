#include "placement/templates.h"

#include <algorithm>
#include <map>

namespace tessera {
namespace {

constexpr int kSweeps = 6;

// Edges at each variable, with tables that can be read from either end.
class Tables {
 public:
  explicit Tables(const Network& network)
      : network_(network), edges_at_(static_cast<size_t>(network.size())) {
    for (size_t e = 0; e < network.edges.size(); ++e)
      for (const int32_t v : {network.edges[e].a, network.edges[e].b})
        edges_at_[static_cast<size_t>(v)].push_back(e);
  }

  // Adds to `costs` what value by value of v costs with the values that are known (>= 0); with
  // `expect`, of the others the least that they can cost.
  void add(int32_t v, const Values& values, bool expect, std::vector<double>& costs) const {
    for (const size_t e : edges_at_[static_cast<size_t>(v)]) {
      const Network::Edge& edge = network_.edges[e];
      const bool is_a = edge.a == v;
      const int32_t other = is_a ? edge.b : edge.a;
      const auto columns = static_cast<size_t>(network_.domain(edge.b));
      const double* table = network_.tables.data() + edge.table;
      const auto at = [&](size_t x, size_t y) {
        return is_a ? table[x * columns + y] : table[y * columns + x];
      };
      const int32_t known = values[static_cast<size_t>(other)];
      if (known < 0 && !expect) continue;
      for (size_t x = 0; x < costs.size(); ++x) {
        if (known >= 0) {
          costs[x] += at(x, static_cast<size_t>(known));
          continue;
        }
        double least = kForbidden;
        const std::span<const double> unary = network_.unary(other);
        for (size_t y = 0; y < unary.size(); ++y) least = std::min(least, unary[y] + at(x, y));
        costs[x] += least;
      }
    }
  }

  int32_t best(int32_t v, const Values& values, bool expect) const {
    const std::span<const double> unary = network_.unary(v);
    std::vector<double> costs(unary.begin(), unary.end());
    add(v, values, expect, costs);
    return static_cast<int32_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
  }

 private:
  const Network& network_;
  std::vector<std::vector<size_t>> edges_at_;
};

class Maker {
  using Kind = Skeleton::Kind;

 public:
  Maker(const NetworkInputs& inputs, const PlacementNetwork& placement)
      : in_(inputs),
        placement_(placement),
        skeleton_(inputs.skeleton),
        tensors_(inputs.rules.program.tensors()),
        tables_(placement.network) {
    order_variables();
    for (const Tensor& tensor : tensors_)
      if (tensor.role() == Role::parameter)
        for (const Dim& dim : tensor.dims()) ++frequency_[dim];
    int most = 0;
    for (const auto& [dim, count] : frequency_)
      if (count > most) {
        most = count;
        common_ = dim;
      }
  }

  std::vector<Template> run() {
    std::vector<Template> result;
    const int axes = in_.mesh.count();
    if (!in_.pins.empty() || axes == 0) return result;
    std::vector<int> all, data;
    for (int axis = 0; axis < axes; ++axis) all.push_back(axis);
    data.assign(all.begin(), all.end() - 1);
    result.push_back(make("data parallel", all, -1, {}));
    result.push_back(make("fully sharded", all, -1, all));
    if (axes < 2) return result;
    result.push_back(make("Megatron", data, axes - 1, {}));
    result.push_back(make("2D", data, axes - 1, data));
    return result;
  }

 private:
  // Nests in order, and before each how its operands are held.
  void order_variables() {
    std::vector<char> seen(skeleton_.variables.size(), 0);
    std::vector<std::vector<int32_t>> read(skeleton_.variables.size());
    for (const Skeleton::Edge& edge : skeleton_.edges)
      if (edge.meeting == Skeleton::Meeting::read)
        read[static_cast<size_t>(edge.to)].push_back(edge.from);
    const auto add = [&](int32_t v) {
      if (seen[static_cast<size_t>(v)]++ == 0) order_.push_back(v);
    };
    for (const int32_t v : skeleton_.nests) {
      if (seen[static_cast<size_t>(v)]) continue;
      for (const int32_t operand : read[static_cast<size_t>(v)])
        if (skeleton_.variables[static_cast<size_t>(operand)].kind == Kind::held) add(operand);
      add(v);
    }
    for (size_t v = 0; v < skeleton_.variables.size(); ++v)
      if (skeleton_.variables[v].kind != Kind::stored) add(static_cast<int32_t>(v));
  }

  // Splits dim `d`, if it is long enough.
  bool split(Sharding& form, const Tensor& tensor, size_t d, int axis) const {
    Axes more = form.split[d];
    more.push_back(axis);
    std::sort(more.begin(), more.end());
    if (in_.mesh.group_size(more) > tensor.dims()[d].extent()) return false;
    form.split[d] = std::move(more);
    return true;
  }

  Sharding input_form(const Tensor& tensor, const std::vector<int>& axes) const {
    Sharding form = replicated(tensor);
    for (const int axis : axes)
      if (!tensor.dims().empty()) split(form, tensor, 0, axis);
    return form;
  }

  Sharding kept_form(const Tensor& tensor, int model, const std::vector<int>& parts) const {
    Sharding form = replicated(tensor);
    std::vector<size_t> dims(tensor.dims().size());
    for (size_t d = 0; d < dims.size(); ++d) dims[d] = d;
    if (model >= 0) {
      std::stable_sort(dims.begin(), dims.end(), [&](size_t a, size_t b) {
        return frequency(tensor.dims()[a]) > frequency(tensor.dims()[b]);
      });
      for (const size_t d : dims)
        if (!(common_ && tensor.dims()[d] == *common_) && split(form, tensor, d, model)) break;
    }
    std::stable_sort(dims.begin(), dims.end(), [&](size_t a, size_t b) {
      return tensor.dims()[a].extent() > tensor.dims()[b].extent();
    });
    for (const int axis : parts)
      for (const size_t d : dims)
        if (split(form, tensor, d, axis)) break;
    return form;
  }

  int frequency(const Dim& dim) const {
    const auto it = frequency_.find(dim);
    return it == frequency_.end() ? 0 : it->second;
  }

  Template make(const std::string& name, const std::vector<int>& data, int model,
                const std::vector<int>& parts) const {
    const Network& network = placement_.network;
    Values values(static_cast<size_t>(network.size()), -1);
    std::vector<char> fixed(values.size(), 0);
    for (const auto& [t, v] : skeleton_.stored) {
      const Tensor& tensor = tensors_[t];
      if (tensor.role() == Role::carried) continue;
      const Sharding form =
          tensor.role() == Role::input ? input_form(tensor, data) : kept_form(tensor, model, parts);
      const FormDomain& domain = *placement_.forms[static_cast<size_t>(v)];
      const auto it = std::find(domain.forms.begin(), domain.forms.end(), form);
      values[static_cast<size_t>(v)] =
          it == domain.forms.end() ? 0 : static_cast<int32_t>(it - domain.forms.begin());
      fixed[static_cast<size_t>(v)] = 1;
    }
    for (const auto& [t, v] : skeleton_.stored)
      if (values[static_cast<size_t>(v)] < 0)
        values[static_cast<size_t>(v)] = tables_.best(v, values, true);
    for (const int32_t v : order_) values[static_cast<size_t>(v)] = tables_.best(v, values, true);
    improve_one_by_one(network, fixed, kSweeps, values);
    return {name, values, cost_of(network, values)};
  }

  const NetworkInputs& in_;
  const PlacementNetwork& placement_;
  const Skeleton& skeleton_;
  const std::vector<Tensor>& tensors_;
  const Tables tables_;
  std::vector<int32_t> order_;
  std::map<Dim, int> frequency_;  // among parameters
  std::optional<Dim> common_;     // the dim that most of them have
};

}  // namespace

std::vector<Template> templates_on(const NetworkInputs& inputs, const PlacementNetwork& placement) {
  return Maker(inputs, placement).run();
}

void improve_one_by_one(const Network& network, const std::vector<char>& fixed, int sweeps,
                        Values& values) {
  const Tables tables(network);
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    bool changed = false;
    for (int32_t v = 0; v < network.size(); ++v) {
      if (fixed[static_cast<size_t>(v)]) continue;
      const std::span<const double> unary = network.unary(v);
      std::vector<double> costs(unary.begin(), unary.end());
      tables.add(v, values, false, costs);
      const auto least = std::min_element(costs.begin(), costs.end());
      int32_t& value = values[static_cast<size_t>(v)];
      if (*least >= costs[static_cast<size_t>(value)] * (1 - 1e-12)) continue;
      value = static_cast<int32_t>(least - costs.begin());
      changed = true;
    }
    if (!changed) return;
  }
}

}  // namespace tessera
