#include "partition/scopes.h"

#include "base/error.h"

namespace tessera {
namespace {

using Offset = std::ptrdiff_t;

}  // namespace

Scope common(const Scope& a, const Scope& b) {
  Scope both;
  for (size_t i = 0; i < a.size() && i < b.size() && a[i] == b[i]; ++i) both.push_back(a[i]);
  return both;
}

Scopes::Scopes(const Program& stacked) : sequence_(sequence_of(stacked)) {
  visit(sequence_, {});
}

void Scopes::visit(const Sequence& sequence, const Scope& scope) {
  for (const SequenceStep& step : sequence) {
    if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
      Scope inner = scope;
      inner.push_back(static_cast<int>(loops_.size()));
      loops_.push_back(loop);
      visit(loop->body, inner);
    } else {
      const Tensor& tensor = std::get<Tensor>(step.what);
      of_.emplace(tensor, scope);
      for (size_t i = 0; i < scope.size(); ++i)
        TESSERA_CHECK(i < tensor.dims().size() && tensor.dims()[i] == dims(scope)[i])
            << "`" << tensor.name() << "` does not begin with the dims of its loops";
    }
  }
}

const Scope& Scopes::of(const Tensor& tensor) const {
  static const Scope nowhere;
  const auto it = of_.find(tensor);
  return it == of_.end() ? nowhere : it->second;
}

const SequenceLoop& Scopes::loop(const Scope& scope) const {
  return *loops_.at(static_cast<size_t>(scope.back()));
}

Dims Scopes::dims(const Scope& scope) const {
  Dims dims;
  for (const int number : scope) dims.push_back(loops_.at(static_cast<size_t>(number))->over);
  return dims;
}

int64_t Scopes::times(const Scope& scope) const {
  return volume(dims(scope));
}

TensorShape shape_within(const Tensor& tensor, const Scope& scope) {
  TensorShape shape = shape_of(tensor);
  shape.extents.erase(shape.extents.begin(),
                      shape.extents.begin() + static_cast<Offset>(scope.size()));
  return shape;
}

Sharding within(const Sharding& sharding, const Scope& scope) {
  Sharding inner = sharding;
  for (size_t i = 0; i < scope.size(); ++i)
    TESSERA_CHECK(inner.split[i].empty()) << "a dim that a loop iterates is split";
  inner.split.erase(inner.split.begin(), inner.split.begin() + static_cast<Offset>(scope.size()));
  return inner;
}

HaloDemand within(const HaloDemand& demand, const Scope& scope) {
  HaloDemand inner{within(demand.base, scope), demand.windows};
  for (HaloWindow& window : inner.windows) window.dim -= static_cast<int>(scope.size());
  return inner;
}

Sharding outside(const Sharding& sharding, const Scope& scope) {
  Sharding outer = sharding;
  outer.split.insert(outer.split.begin(), scope.size(), Axes{});
  return outer;
}

ReshardStep outside(const ReshardStep& step, const Scope& scope) {
  ReshardStep outer = step;
  const int loops = static_cast<int>(scope.size());
  if (outer.gather_dim >= 0) outer.gather_dim += loops;
  if (outer.scatter_dim >= 0) outer.scatter_dim += loops;
  outer.after = outside(step.after, scope);
  return outer;
}

}  // namespace tessera
