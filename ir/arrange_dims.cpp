#include "ir/arrange_dims.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ir/index_range.h"
#include "ir/product.h"
#include "ir/prune.h"
#include "ir/reorder_dims.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr int kMostRounds = 6;        // until no order changes
constexpr double kReusedShare = 0.1;  // of an access in a nest that packs what it reads
constexpr double kLanes = 16;         // of a vector
constexpr double kFold = 8;           // instructions that add up the lanes of one vector
constexpr double kAlongShare = 1e-3;  // between what gathers as little: to lie as others do
constexpr double kWorthIt = 1.25;     // times the cost of the orders found
constexpr double kApartShare = 0.5;   // of an element, for lanes along what is walked in blocks
constexpr double kOutputShare = 0.5;  // of an output, which may be put in order when it is fetched

// A tensor in a formula: the loop that moves along each of its dims, where it is one, and the loops
// that move it to where data says.
struct Access {
  Tensor tensor;
  std::vector<std::optional<Dim>> loops;
  Dims jumps = {};
};

// What a definition touches, itself first, how often, and what it reduces. Does it pack what it
// reads, as contractions do?
struct Use {
  std::vector<Access> accesses;
  double steps = 0;
  bool packs = false;
  Dims reduced;
  Dims scattered;      // where data says, or repeated
  double largest = 0;  // elements of a tensor
};

// Instructions for an element when lanes go along the loop.
double cost_along(const Dim& loop, const Dims& reduced) {
  const double extent = std::max(1.0, static_cast<double>(loop.extent()));
  const double folds = contains(reduced, loop) ? kFold / std::max(1.0, points_of(reduced)) : 0;
  return std::ceil(extent / kLanes) / extent + folds;
}

std::optional<Dim> loop_of(const Expr& index) {
  const std::optional<Affine> affine = affine_form(index);
  if (!affine) return std::nullopt;
  std::optional<Dim> loop;
  for (const auto& [dim, coefficient] : affine->terms)
    if (std::abs(coefficient) == 1 && (!loop || loop->extent() < dim.extent())) loop = dim;
  return loop;
}

class Arranger {
 public:
  explicit Arranger(const Program& program) : program_(program) {
    for (const Update& carry : program.carries())
      iterated_ = unite(iterated_, {carry.target.over()});
    for (const Update& update : program.updates()) fixed_.insert(update.value);
    for (const Output& output : program.outputs()) outputs_.emplace(output.value, output.order);
    for (const Tensor& tensor : in_order(program)) {
      if (tensor.role() != Role::definition && tensor.role() != Role::carried) continue;
      if (tensor.role() == Role::definition) definitions_.push_back(tensor);
      uses_.push_back(use_of(tensor));
      for (size_t i = 0; i < uses_.back().accesses.size(); ++i)
        uses_of_[uses_.back().accesses[i].tensor].emplace_back(uses_.size() - 1, i);
    }
  }

  // Orders from what comes before, and then from all that is near, until they stay.
  std::map<Tensor, Dims> run() {
    for (const Tensor& tensor : definitions_) settle(tensor);
    for (int round = 0; round < kMostRounds; ++round) {
      bool changed = false;
      for (size_t i = definitions_.size(); i-- > 0;) changed = settle(definitions_[i]) || changed;
      if (!changed) break;
    }
    return orders_;
  }

  // What lanes cost over all formulas that do not pack what they read, with the orders found or
  // with those that definitions state: instructions.
  double cost(bool stated) const {
    double total = 0;
    for (const Use& use : uses_) {
      if (use.packs && use.scattered.empty()) continue;
      double best = static_cast<double>(use.accesses.size());  // one element after the other
      for (const Access& along : use.accesses) {
        const std::vector<std::optional<Dim>> order = lying(along, order_of(along, stated));
        Dims run;  // loops that lanes go along as one, innermost first
        for (size_t i = order.size(); i-- > 0 && order[i];) {
          run.push_back(*order[i]);
          best = std::min(best, cost_of_run(use, run, stated));
        }
      }
      total += use.steps * best;
    }
    return total;
  }

 private:
  struct Vote {
    double inner = 0;   // that the dim is the innermost one
    double place = 0;   // between 0, outermost, and 1, times
    double weight = 0;  // this
  };

  // A carried tensor lies as what it is updated with.
  Tensor lies_as(const Tensor& tensor) const {
    const Update* carry = tensor.role() == Role::carried ? program_.update_of(tensor) : nullptr;
    return carry == nullptr ? tensor : carry->value;
  }

  // Of a carried tensor, what it begins with.
  Use use_of(const Tensor& definition) const {
    Use use;
    Access own{lies_as(definition), {}};
    for (const Dim& dim : own.tensor.dims()) own.loops.emplace_back(dim);
    use.accesses.push_back(own);
    Dims loops = sorted(subtract(definition.dims(), iterated_));
    if (const Reduce* reduce = as<Reduce>(definition.value())) use.reduced = reduce->dims;
    loops = unite(loops, use.reduced);
    bool whole = use.reduced.empty();
    Dims used;  // by reads
    for (const Expr& node : subexpressions(definition.value())) {
      const Read* read = as<Read>(node);
      if (read == nullptr) continue;
      Access access{lies_as(read->tensor), {}};
      Dims covered;
      for (const Dim& dim : access.tensor.dims()) {
        const auto at = static_cast<size_t>(position(read->tensor.dims(), dim));
        const Expr& index = read->indices[at].value;
        access.loops.push_back(loop_of(index));
        if (!affine_form(index)) access.jumps = unite(access.jumps, index.dims());
        if (access.loops.back()) covered = unite(covered, {*access.loops.back()});
      }
      whole = whole || unite(covered, iterated_) == unite(loops, iterated_);
      used = unite(used, node.dims());
      use.accesses.push_back(access);
    }
    double largest = 0;
    for (const Access& access : use.accesses)
      largest = std::max(largest, static_cast<double>(volume(access.tensor.dims())));
    use.packs = !whole;
    // Each value goes where data says along dims that only conditions know.
    if (!use.reduced.empty()) use.scattered = subtract(loops, unite(used, use.reduced));
    use.largest = largest;
    use.steps = whole ? static_cast<double>(volume(loops)) : kReusedShare * largest;
    return use;
  }

  Dims order_of(const Access& access, bool stated) const {
    const Dims* found = stated ? nullptr : order_of(access.tensor);
    return found == nullptr ? access.tensor.dims() : *found;
  }

  // One step of a formula whose lanes go along these loops: an access has them all side by side in
  // this order, or none of them, or it gathers.
  double cost_of_run(const Use& use, const Dims& run, bool stated) const {
    const double extent = std::max(1.0, points_of(run));
    double total = 0;
    for (const Access& access : use.accesses) {
      const std::vector<std::optional<Dim>> order = lying(access, order_of(access, stated));
      if (!intersect(access.jumps, sorted(run)).empty()) {
        total += 1;
        continue;
      }
      size_t beside = 0, all = 0;
      for (const auto& loop : order) all += loop && contains(run, *loop) ? 1 : 0;
      while (beside < std::min(run.size(), order.size()) &&
             order[order.size() - 1 - beside] == run[beside])
        ++beside;
      if (all > 0) total += beside == run.size() ? std::ceil(extent / kLanes) / extent : 1;
    }
    const bool folds = std::any_of(run.begin(), run.end(),
                                   [&](const Dim& dim) { return contains(use.reduced, dim); });
    const bool scatters = contains(use.scattered, run.front());
    return total + (folds ? kFold / std::max(1.0, points_of(use.reduced)) : 0) +
           (scatters ? static_cast<double>(use.accesses.size()) : 0);
  }

  // The order of a tensor's dims; nothing for a definition of which none is known yet.
  const Dims* order_of(const Tensor& tensor) const {
    if (tensor.role() != Role::definition || fixed_.count(tensor) != 0) return &tensor.dims();
    const auto it = orders_.find(tensor);
    return it == orders_.end() ? nullptr : &it->second;
  }

  // Loops of an access as they lie, without those that are iterated.
  std::vector<std::optional<Dim>> lying(const Access& access, const Dims& order) const {
    std::vector<std::optional<Dim>> loops;
    for (const Dim& dim : order)
      if (!contains(iterated_, dim) && dim.extent() > 1)
        loops.push_back(access.loops[static_cast<size_t>(position(access.tensor.dims(), dim))]);
    return loops;
  }

  // Does the other one go through all that this one does? Only then it has a say in the order of
  // what is not innermost: kernels take blocks of outer dims together.
  static bool covers(const Access& mine, const std::vector<std::optional<Dim>>& other) {
    return std::all_of(mine.loops.begin(), mine.loops.end(), [&](const auto& loop) {
      return !loop || loop->extent() == 1 ||
             std::find(other.begin(), other.end(), loop) != other.end();
    });
  }

  void vote(const Access& mine, const std::vector<std::optional<Dim>>& other, double weight,
            std::vector<Vote>& votes) const {
    for (size_t i = 0; i < votes.size(); ++i) {
      if (!mine.loops[i]) continue;
      for (size_t k = 0; k < other.size(); ++k) {
        if (other[k] != mine.loops[i]) continue;
        votes[i].inner += k + 1 == other.size() ? kAlongShare * weight : -weight;
        if (other.size() < 2 || !covers(mine, other)) continue;
        votes[i].place += weight * static_cast<double>(k) / static_cast<double>(other.size() - 1);
        votes[i].weight += weight;
      }
    }
  }

  // Which dims nothing ever reduces, of a tensor others of whose dims are: kernels walk them in
  // blocks, threads and ranks share them, and lanes along them would be cut short.
  std::vector<bool> stay_apart(const Tensor& tensor) const {
    std::vector<bool> reduced(tensor.dims().size(), false);
    for (const auto& [use, at] : uses_of_.at(tensor))
      for (size_t i = 0; i < reduced.size(); ++i) {
        const std::optional<Dim>& loop = uses_[use].accesses[at].loops[i];
        reduced[i] =
            reduced[i] || (loop && !uses_[use].packs && contains(uses_[use].reduced, *loop));
      }
    double lanes = 1;
    for (size_t i = 0; i < reduced.size(); ++i)
      if (reduced[i]) lanes *= static_cast<double>(tensor.dims()[i].extent());
    if (lanes < kLanes) return std::vector<bool>(reduced.size(), false);
    reduced.flip();
    return reduced;
  }

  // Did it change?
  bool settle(const Tensor& tensor) {
    if (fixed_.count(tensor) != 0 || tensor.dims().size() < 2) return false;
    std::vector<Vote> votes(tensor.dims().size());
    const std::vector<bool> apart = stay_apart(tensor);
    for (const auto& [use, at] : uses_of_.at(tensor)) {
      const Use& near = uses_[use];
      for (size_t i = 0; i < votes.size(); ++i) {
        const std::optional<Dim>& loop = near.accesses[at].loops[i];
        if (loop && !near.packs) votes[i].inner -= near.steps * cost_along(*loop, near.reduced);
        if (loop && contains(near.scattered, *loop)) votes[i].inner -= near.largest;
        if (apart[i] && !near.packs) votes[i].inner -= kApartShare * near.steps;
      }
      for (size_t i = 0; i < near.accesses.size(); ++i) {
        const Access& other = near.accesses[i];
        const Dims* order = order_of(other.tensor);
        if (i == at || order == nullptr || other.tensor == tensor) continue;
        vote(near.accesses[at], lying(other, *order), near.steps, votes);
        for (size_t d = 0; d < votes.size(); ++d) {
          const std::optional<Dim>& loop = near.accesses[at].loops[d];
          if (loop && contains(other.jumps, *loop)) votes[d].inner -= near.steps;
        }
      }
    }
    if (const auto it = outputs_.find(tensor); it != outputs_.end()) {
      Access own{tensor, {}};
      for (const Dim& dim : tensor.dims()) own.loops.emplace_back(dim);
      vote(own, lying(own, it->second), kOutputShare * static_cast<double>(volume(tensor.dims())),
           votes);
    }
    const Dims order = ordered(tensor.dims(), votes);
    const auto [it, fresh] = orders_.emplace(tensor, order);
    if (fresh || it->second == order) return fresh;
    it->second = order;
    return true;
  }

  static Dims ordered(const Dims& dims, const std::vector<Vote>& votes) {
    std::vector<size_t> by(dims.size());
    for (size_t i = 0; i < by.size(); ++i) by[i] = i;
    const auto place = [&](size_t i) {
      return votes[i].weight > 0 ? votes[i].place / votes[i].weight
                                 : static_cast<double>(i) / static_cast<double>(dims.size() - 1);
    };
    std::stable_sort(by.begin(), by.end(),
                     [&](size_t a, size_t b) { return place(a) < place(b) - 1e-9; });
    auto inner = by.end() - 1;
    for (auto it = by.begin(); it != by.end(); ++it)
      if (dims[*it].extent() > 1 && votes[*it].inner > votes[*inner].inner) inner = it;
    std::rotate(inner, inner + 1, by.end());
    Dims order;
    for (const size_t i : by) order.push_back(dims[i]);
    return order;
  }

  const Program& program_;
  Dims iterated_;
  std::vector<Tensor> definitions_;                                   // in the order of computing
  std::vector<Use> uses_;                                             // of each
  std::map<Tensor, std::vector<std::pair<size_t, size_t>>> uses_of_;  // use, access
  std::map<Tensor, Dims> outputs_;
  std::set<Tensor> fixed_;
  std::map<Tensor, Dims> orders_;
};

}  // namespace

Program arrange_dims(const Program& normal, bool& changed) {
  Arranger arranger(normal);
  const std::map<Tensor, Dims> orders = arranger.run();
  changed = std::any_of(orders.begin(), orders.end(),
                        [](const auto& each) { return each.first.dims() != each.second; }) &&
            arranger.cost(true) > kWorthIt * arranger.cost(false);
  return changed ? reorder_dims(normal, orders) : normal;
}

}  // namespace tessera
