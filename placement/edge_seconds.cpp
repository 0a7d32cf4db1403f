#include "placement/edge_seconds.h"

#include <algorithm>

#include "base/error.h"

namespace tessera {
namespace {

class Pricer {
  using Kind = Skeleton::Kind;
  using Meeting = Skeleton::Meeting;

 public:
  Pricer(const NetworkInputs& inputs, const PlacementNetwork& placement, const Skeleton::Edge& edge)
      : in_(inputs),
        placement_(placement),
        edge_(edge),
        from_(inputs.skeleton.variables[static_cast<size_t>(edge.from)]),
        to_(inputs.skeleton.variables[static_cast<size_t>(edge.to)]),
        tensor_(read_tensor()),
        scope_(first_loops()),
        shape_(shape_within(tensor_, scope_)),
        whole_(tensor_.dims().size(), inputs.mesh.count()),
        part_(tensor_.dims().size() - edge.loops, inputs.mesh.count()),
        rows_(static_cast<size_t>(part_.count())) {}

  std::vector<double> run() {
    std::vector<double> table = edge_.meeting == Meeting::made   ? made()
                                : edge_.meeting == Meeting::read ? read()
                                                                 : kept();
    for (double& seconds : table) seconds *= edge_.times;
    return table;
  }

 private:
  // The tensor that is converted.
  const Tensor& read_tensor() const {
    const Skeleton::Variable& lies = edge_.meeting == Meeting::made ? to_ : from_;
    return in_.rules.program.tensors()[lies.number];
  }

  Scope first_loops() const {
    const Scope& scope = in_.rules.scopes.of(tensor_);
    return {scope.begin(), scope.begin() + static_cast<std::ptrdiff_t>(edge_.loops)};
  }

  // Number of the form of a part, of the form of the whole.
  int within_loops(int number) const {
    if (edge_.loops == 0) return number;
    return part_.of(within(whole_.sharding(number), scope_));
  }

  // Seconds to form `number` from each.
  const std::vector<double>& way_to(int number) {
    std::vector<double>& row = rows_[static_cast<size_t>(number)];
    if (row.empty()) row = in_.distances.to(shape_, part_.sharding(number));
    return row;
  }

  // A nest passes on what is partial by one op. What is partial by another has to be whole before,
  // which then is for nothing.
  bool passes_on() const {
    return forms(edge_.from).forms[0].op == in_.rules.nests[to_.number].partial_op();
  }

  Sharding passed(Sharding form) const {
    if (!passes_on()) form.partial.clear();
    return form;
  }

  int passed(int number) const {
    return passes_on() ? number : part_.of(passed(part_.sharding(number)));
  }

  const FormDomain& forms(int32_t v) const { return *placement_.forms[static_cast<size_t>(v)]; }

  // The forms of the part, of what edge_.from says.
  std::vector<int> lying() const {
    std::vector<int> result = forms(edge_.from).numbers;
    if (from_.kind == Kind::stored)
      for (int& number : result) number = within_loops(number);
    return result;
  }

  std::vector<double> made() {
    std::vector<int> from;
    if (from_.kind == Kind::nest)
      for (const int number : placement_.nests[static_cast<size_t>(edge_.from)]->result)
        from.push_back(within_loops(number));
    else
      from = lying();
    std::vector<double> table;
    table.reserve(from.size() * forms(edge_.to).numbers.size());
    for (const int start : from)
      for (const int end : forms(edge_.to).numbers)
        table.push_back(way_to(end)[static_cast<size_t>(start)]);
    return table;
  }

  std::vector<double> read() {
    const NestDomain& nest = *placement_.nests[static_cast<size_t>(edge_.to)];
    const auto which = static_cast<size_t>(edge_.detail[0]);
    const std::vector<int> from = lying();
    std::vector<double> table(from.size() * nest.size(), 0.0);
    for (size_t x = 0; x < nest.size(); ++x) {
      for (const int wanted : nest.forms[which][x]) {
        const std::vector<double>& way = way_to(passed(within_loops(wanted)));
        for (size_t f = 0; f < from.size(); ++f)
          table[f * nest.size() + x] += way[static_cast<size_t>(from[f])];
      }
      for (const Demand& demand : nest.demands[which][x]) {
        const std::vector<double> direct = in_.distances.to(shape_, passed(demand.form));
        const std::vector<double>& base = in_.distances.to(shape_, passed(demand.halo->base));
        for (size_t f = 0; f < from.size(); ++f) {
          const auto at = static_cast<size_t>(from[f]);
          table[f * nest.size() + x] += std::min(direct[at], base[at] + demand.halo_seconds);
        }
      }
    }
    return table;
  }

  std::vector<double> kept() {
    const std::vector<int> from = lying();
    std::vector<double> table(from.size() * forms(edge_.to).forms.size());
    for (size_t y = 0; y < forms(edge_.to).forms.size(); ++y) {
      const Sharding& kept = forms(edge_.to).forms[y];
      Sharding wanted = replicated(tensor_);
      for (size_t d = 0; d < wanted.split.size(); ++d)
        wanted.split[d] = kept.split[static_cast<size_t>(edge_.detail[d])];
      const std::vector<double>& way = in_.distances.to(shape_, within(wanted, scope_));
      for (size_t f = 0; f < from.size(); ++f)
        table[f * forms(edge_.to).forms.size() + y] = way[static_cast<size_t>(from[f])];
    }
    return table;
  }

  const NetworkInputs& in_;
  const PlacementNetwork& placement_;
  const Skeleton::Edge& edge_;
  const Skeleton::Variable& from_;
  const Skeleton::Variable& to_;
  const Tensor& tensor_;
  const Scope scope_;
  const TensorShape shape_;
  const Forms whole_;
  const Forms part_;
  std::vector<std::vector<double>> rows_;  // by form
};

}  // namespace

std::vector<double> edge_seconds(const NetworkInputs& inputs, const PlacementNetwork& placement,
                                 const Skeleton::Edge& edge) {
  return Pricer(inputs, placement, edge).run();
}

}  // namespace tessera
