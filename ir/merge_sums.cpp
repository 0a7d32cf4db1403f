#include "ir/merge_sums.h"

#include <algorithm>
#include <map>

#include "ir/product.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostFactors = 24;
constexpr double kMostPoints = int64_t{1} << 60;  // well below what a nest may have
constexpr double kWorthALook = 20;                // calls of a kernel that all of it must cost
constexpr size_t kMostAbsorbed = 4;  // definitions: each of a long chain looks at these again

// Are the indices distinct dims as they stand?
bool reads_plainly(const Read& read) {
  Dims dims;
  for (const Index& index : read.indices) {
    const IndexOf* plain = as<IndexOf>(index.value);
    if (plain == nullptr || index.padded || contains(dims, plain->dim)) return false;
    dims.push_back(plain->dim);
  }
  return true;
}

class Merger {
 public:
  Merger(const Reduce& reduce, const Absorb& absorb) : absorb_(absorb), summed_(reduce.dims) {
    all_ = unite(reduce.body.dims(), reduce.dims);
    take(reduce.body);
  }

  std::optional<MergedSum> result(const Expr& sum) const {
    if (!merged_ || factors_.size() > kMostFactors || points_of(all_) > kMostPoints)
      return std::nullopt;
    const Expr product = product_of(factors_, sum.type(), sum.where());
    if (!subtract(summed_, product.dims()).empty()) return std::nullopt;
    return MergedSum{make_reduce(Reduction::sum, sorted(summed_), product, sum.where()), absorbed_};
  }

 private:
  void take(const Expr& formula) {
    const std::vector<Factor> factors = products_.factors_of(formula);
    for (const Factor& factor : factors) {
      const bool alone = std::count_if(factors.begin(), factors.end(), [&](const Factor& other) {
                           return shares_tensor(factor, other);
                         }) == 1;
      if (factor.divides || factor.value.type() != formula.type() || !take_sum(factor, alone))
        factors_.push_back(factor);
    }
  }

  // Does `other` read the tensor that `factor` is?
  static bool shares_tensor(const Factor& factor, const Factor& other) {
    const Read* read = as<Read>(factor.value);
    if (read == nullptr) return factor.value.is(other.value);
    const std::vector<Tensor> reads = tensors_read(other.value);
    return std::find(reads.begin(), reads.end(), read->tensor) != reads.end();
  }

  bool take_sum(const Factor& factor, bool alone) {
    if (const Reduce* inner = as<Reduce>(factor.value); inner != nullptr)
      return inner->op == Reduction::sum && take_reduce(*inner, factor.value);
    const Read* read = as<Read>(factor.value);
    if (read == nullptr || !alone || !reads_plainly(*read)) return false;
    if (absorbed_.size() == kMostAbsorbed) return false;
    const std::optional<Absorbable> taken = absorb_(read->tensor, absorbed_);
    if (!taken || taken->value.type() != factor.value.type()) return false;
    std::map<Dim, Expr> indices;
    for (size_t i = 0; i < read->indices.size(); ++i)
      indices.emplace(read->tensor.dims()[i], read->indices[i].value);
    const Expr here = substitute(taken->value, indices);
    const Reduce* inner = as<Reduce>(here);
    if (inner != nullptr && inner->op != Reduction::sum) return false;
    if (inner == nullptr && products_.factors_of(here).size() < 2) return false;
    // What repeats its value along a dim would lose it.
    if (!same_set(here.dims(), factor.value.dims())) return false;
    if (taken->kept) {
      merged_ = true;
    } else {
      absorbed_.push_back(read->tensor);
    }
    if (inner != nullptr) return take_reduce(*inner, here);
    take(here);
    return true;
  }

  // Its dims under names that nothing else has.
  bool take_reduce(const Reduce& inner, const Expr& node) {
    std::map<Dim, Expr> renamed;
    for (const Dim& dim : inner.dims) {
      const bool taken = contains(all_, dim);
      const Dim own = taken ? Dim(dim.name() + "_", dim.extent(), dim.where()) : dim;
      if (taken) renamed.emplace(dim, make_index(own, node.where()));
      summed_.push_back(own);
      all_ = unite(all_, {own});
    }
    merged_ = true;
    take(substitute(inner.body, renamed));
    return true;
  }

  const Absorb& absorb_;
  Products products_;
  Dims summed_, all_;
  std::vector<Factor> factors_;
  std::vector<Tensor> absorbed_;
  bool merged_ = false;
};

// Of the sum with all that it holds and absorbs as definitions, not counting what these cost by
// themselves: kernels may be fused, and maps are computed where their sources are.
double price_as_it_stands(const Expr& sum, const std::vector<Tensor>& absorbed,
                          SumSurroundings surroundings) {
  surroundings.prices.call = 0;
  const Reduce& reduce = *as<Reduce>(sum);
  double price = 0;
  const Expr body = transform(reduce.body, [&](const Expr& node) -> Expr {
    if (as<Reduce>(node) == nullptr) return node;
    price += ordered_price(node, surroundings);
    return make_read(Tensor(node), node.where());
  });
  for (const Tensor& tensor : absorbed) {
    const Expr& value = tensor.value();
    price += as<Reduce>(value) != nullptr ? nest_price(value, surroundings)
                                          : points_of(value.dims()) * work_of(value).flops;
  }
  return price + ordered_price(make_reduce(reduce.op, reduce.dims, body), surroundings);
}

}  // namespace

std::optional<MergedSum> merge_sums(const Expr& sum, const Absorb& absorb,
                                    const SumSurroundings& surroundings) {
  const Reduce* reduce = as<Reduce>(sum);
  if (reduce == nullptr || reduce->op != Reduction::sum) return std::nullopt;
  std::optional<MergedSum> merged = Merger(*reduce, absorb).result(sum);
  if (!merged) return std::nullopt;
  const double before = price_as_it_stands(sum, merged->absorbed, surroundings);
  // A sum of nothing but a sum is one as soon as that costs no more.
  const bool plain = as<Reduce>(reduce->body) != nullptr || as<Read>(reduce->body) != nullptr;
  if (!plain && before < kWorthALook * surroundings.prices.call) return std::nullopt;
  const double gain = plain ? 1 : surroundings.prices.gain;
  const double saved = plain ? surroundings.prices.call : 0;
  return ordered_price(merged->sum, surroundings) - saved <= gain * before ? merged : std::nullopt;
}

bool spreads(const Tensor& definition) {
  if (as<Reduce>(definition.value()) != nullptr) return false;
  const std::vector<Tensor> reads = tensors_read(definition.value());
  return std::all_of(reads.begin(), reads.end(), [&](const Tensor& read) {
    return points_of(read.dims()) < points_of(definition.dims());
  });
}

std::set<Tensor> definitions_read_once(const Program& program) {
  std::map<Tensor, int> uses;
  const auto used_elsewhere = [&](const Tensor& tensor) { uses[tensor] += 2; };
  const auto count = [&](const Expr& child) {
    if (const Read* read = as<Read>(child)) ++uses[read->tensor];
  };
  for (const Tensor& tensor : program.tensors()) {
    if (tensor.role() != Role::definition && tensor.role() != Role::carried) continue;
    count(tensor.value());
    for (const Expr& node : subexpressions(tensor.value())) {
      for (const Expr& child : children(node)) count(child);
      if (const Gradient* gradient = as<Gradient>(node)) {
        used_elsewhere(gradient->loss);
        used_elsewhere(gradient->wrt);
      }
    }
  }
  for (const Output& output : program.outputs()) used_elsewhere(output.value);
  for (const Update& update : program.updates()) used_elsewhere(update.value);
  for (const Update& carry : program.carries()) used_elsewhere(carry.value);
  for (const Pin& pin : program.pins())
    if (const std::optional<Tensor> tensor = program.find(pin.tensor)) used_elsewhere(*tensor);
  std::set<Tensor> once;
  for (const auto& [tensor, count_of] : uses)
    if (count_of == 1) once.insert(tensor);
  return once;
}

}  // namespace tessera
