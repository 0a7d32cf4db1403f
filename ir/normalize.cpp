#include "ir/normalize.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "ir/apart.h"
#include "ir/arrange_dims.h"
#include "ir/carried_dims.h"
#include "ir/derived_limit.h"
#include "ir/fans.h"
#include "ir/first_position.h"
#include "ir/flagged.h"
#include "ir/follow_positions.h"
#include "ir/functions.h"
#include "ir/grad.h"
#include "ir/hoist_parts.h"
#include "ir/known_definitions.h"
#include "ir/limits.h"
#include "ir/merge_sums.h"
#include "ir/name_reductions.h"
#include "ir/nest.h"
#include "ir/order_sum.h"
#include "ir/prune.h"
#include "ir/rank_dims.h"
#include "ir/readers.h"
#include "ir/reading_mapped.h"
#include "ir/sequence.h"
#include "ir/simplify.h"
#include "ir/split_phases.h"
#include "ir/split_terms.h"
#include "ir/structure.h"
#include "ir/with_constants.h"

namespace tessera {
namespace {

bool is_reduction(const Expr& expr) {
  return as<Reduce>(expr) != nullptr;
}

constexpr int kMostRounds = 4;  // of taking parts out of a nest
constexpr int kMostRuns = 6;    // until nothing changes any more

enum class NormalStage : uint8_t { gradients, order };  // gradients are all taken in the first

class Normalizer {
 public:
  Normalizer(const Program& program, const SumPrices& prices, NormalStage stage)
      : source_(program),
        fans_(program),
        derived_(program),
        prices_(prices),
        stage_(stage),
        result_(program.name(), program.where()),
        readers_(result_),
        carried_dims_(result_) {
    for (const Update& carry : program.carries())
      iterated_ = unite(iterated_, {carry.target.over()});
    read_once_ = definitions_read_once(program);
  }

  Program run() {
    for (const Dim& dim : source_.dims()) result_.declare(dim);
    // Loops must be whole before anything differentiates them.
    for (const Tensor& tensor : in_order(source_)) {
      if (tensor.role() == Role::definition) {
        define_from(tensor);
      } else if (tensor.role() == Role::carried) {
        carry_from(tensor);
      } else {
        mapped_.emplace(tensor, settled(tensor));
        result_.import(mapped_.at(tensor));
      }
      add_carries();
    }
    for (const Output& output : source_.outputs())
      outputs_.push_back({output.name, stored(output.value), output.order});
    for (const Update& update : source_.updates())
      updates_.push_back({mapped_.at(update.target), stored(update.value)});
    return prune(result_, {outputs_, updates_, marked_, source_.pins()});
  }

  // Is the result of a program in normal form another one?
  bool changed() const {
    return reordered_ || result_.tensors().size() != source_.tensors().size();
  }

 private:
  // Fans follow from the program as it is written, so they are found before anything is derived.
  Tensor settled(const Tensor& tensor) const {
    const Initializer first = fans_.settled(tensor);
    if (first == tensor.initializer()) return tensor;
    return make_tensor(tensor.name(), tensor.dims(), tensor.type(), tensor.role(), first,
                       tensor.where());
  }

  // The normal form of a definition of the source.
  void define_from(const Tensor& tensor) {
    const Flagged marking(marking_, tensor.checkpoint());
    const Expr value = lift(reading_mapped(tensor.value(), mapped_), tensor.name());
    const Tensor result = define(tensor.name(), value, tensor.dims(), tensor.where());
    mapped_.emplace(tensor, result);
    if (read_once_.count(tensor) != 0) once_.insert(result);
  }

  void carry_from(const Tensor& tensor) {
    Expr initial = lift(reading_mapped(tensor.value(), mapped_), tensor.name());
    if (is_reduction(initial)) initial = lift_reductions(initial, tensor.name());
    const Tensor carried = make_carried(tensor.name(), tensor.over(), tensor.descending(), initial,
                                        tensor.where(), tensor.dims());
    result_.import(carried);
    mapped_.emplace(tensor, carried);
  }

  // Those of the source whose two sides have their normal form by now.
  void add_carries() {
    for (const Update& carry : source_.carries()) {
      const auto target = mapped_.find(carry.target);
      if (target == mapped_.end() || mapped_.count(carry.value) == 0) continue;
      if (result_.update_of(target->second) == nullptr)
        add_carry({target->second, stored(carry.value)});
    }
  }

  void add_carry(const Update& carry) {
    result_.add_carry(carry);
    readers_.look_at(carry.target);
  }

  // A formula that is a nest: inner reductions and gradients become definitions of their own.
  Expr lift(const Expr& value, const std::string& stem) {
    Expr lifted = transform(lift_checkpoints(value, stem), [&](const Expr& node) -> Expr {
      if (const Gradient* gradient = as<Gradient>(node))
        return make_read(gradient_of(*gradient), node.where());
      if (!is_reduction(node)) return node;
      const Expr whole = merged(node, stem);
      const Reduce* reduce = as<Reduce>(whole);
      if (reduce->op == Reduction::argmax || reduce->op == Reduction::argmin)
        return position_of(*reduce, node, stem);
      const Expr body = lift_reductions(reduce->body, stem);
      return body.is(reduce->body) ? whole
                                   : make_reduce(reduce->op, reduce->dims, body, node.where());
    });
    lifted = is_reduction(lifted) ? lifted : lift_reductions(lifted, stem);
    return simplify(lifted);
  }

  // A sum with the sums that it holds or reads from definitions which nobody else reads, where that
  // is cheaper; else the sum.
  Expr merged(const Expr& sum, const std::string& stem) {
    if (deriving_ || marking_) return sum;
    SumSurroundings surroundings = surroundings_for(sum, stem);
    surroundings.known = nullptr;
    const std::optional<MergedSum> merged = merge_sums(
        sum,
        [this](const Tensor& tensor, const std::vector<Tensor>& with) {
          return absorbed(tensor, with);
        },
        surroundings);
    if (!merged) return sum;
    reordered_ = true;
    for (const Tensor& tensor : merged->absorbed) known_.forget(tensor);
    return merged->sum;
  }

  // A definition that only the formula reads that is being lifted, or only those that are absorbed
  // in it already; and others that the formula may compute again.
  std::optional<Absorbable> absorbed(const Tensor& tensor, const std::vector<Tensor>& with) {
    if (tensor.role() != Role::definition || marked_.count(tensor) != 0) return std::nullopt;
    if (!intersect(tensor.dims(), iterated_).empty()) return std::nullopt;
    const std::set<Tensor>& users = readers_.of(tensor);
    const bool alone = once_.count(tensor) != 0 && several_.count(tensor) == 0 &&
                       std::all_of(users.begin(), users.end(), [&](const Tensor& user) {
                         return std::find(with.begin(), with.end(), user) != with.end();
                       });
    if (!alone && (stage_ == NormalStage::gradients || !spreads(tensor))) return std::nullopt;
    return Absorbable{tensor.value(), !alone};
  }

  // Every checkpoint in `value` becomes a definition, marked as those that it needs to be a nest.
  Expr lift_checkpoints(const Expr& value, const std::string& stem) {
    return transform(value, [&](const Expr& node) -> Expr {
      const Apply* apply = as<Apply>(node);
      if (apply == nullptr || apply->fn != Fn::checkpoint) return node;
      const Flagged marking(marking_, true);
      const Expr formula = lift(apply->args[0], stem);
      return make_read(define(result_.fresh_name(stem + "_1"), formula, node.dims(), node.where()),
                       node.where());
    });
  }

  // Every reduction in `value`, whose own body is already free of them, becomes a definition.
  Expr lift_reductions(const Expr& value, const std::string& stem) {
    return transform(value, [&](const Expr& node) -> Expr {
      if (!is_reduction(node)) return node;
      return make_read(define_part(node, stem), node.where());
    });
  }

  Expr position_of(const Reduce& reduce, const Expr& node, const std::string& stem) {
    const Reduction op = reduce.op == Reduction::argmax ? Reduction::max : Reduction::min;
    const Expr body = lift_reductions(reduce.body, stem);
    const Expr best = lift_reductions(make_reduce(op, reduce.dims, body, node.where()), stem);
    return first_position(reduce.dims[0], body, best, node.where());
  }

  // A definition for one place in the definition `stem`.
  Tensor define_part(const Expr& value, const std::string& stem) {
    const Tensor part = define(result_.fresh_name(stem + "_1"), value, value.dims(), value.where());
    once_.insert(part);
    return part;
  }

  // Adds a definition, or finds the equal one that is there.
  Tensor define(const std::string& name, const Expr& formula, const Dims& order,
                const SourceLocation& where) {
    const Expr unordered = shared_.share(simplify(apart(with_constants(formula), order)));
    if (deriving_) derived_.count(unordered, where);
    const Expr unordered_form = known_.form_of(unordered);
    if (const std::optional<Tensor> known = known_definition(unordered_form, order)) return *known;
    const Expr value = shared_.share(ordered(solved(unordered, order, name), name));
    const Expr form = value.is(unordered) ? unordered_form : known_.form_of(value);
    const std::optional<Tensor> original = whole_tensor(value);
    if (original && original->dims() == order) {
      if (marking_ && original->role() == Role::definition) marked_.insert(*original);
      several_.insert(*original);
      return *original;
    }
    if (const std::optional<Tensor> known = known_definition(form, order)) return *known;
    const std::string free_name = result_.find(name) ? result_.fresh_name(name) : name;
    const Tensor tensor =
        result_.define(free_name, marking_ ? make_checkpoint(value, where) : value, where, order);
    if (marking_) {
      marked_.insert(tensor);
    } else {
      known_.add(form, tensor);
      if (!value.is(unordered)) known_.add(unordered_form, tensor);
    }
    return tensor;
  }

  // A definition of this form, which from now on is read in several places.
  std::optional<Tensor> known_definition(const Expr& form, const Dims& order) {
    if (marking_) return std::nullopt;
    const std::optional<Tensor> known = known_.find(form, order);
    if (known) several_.insert(*known);
    return known;
  }

  Expr solved(const Expr& value, const Dims& order, const std::string& stem) {
    if (stage_ == NormalStage::gradients || marking_) return value;
    const Expr result = split_phases(
        follow_positions(value), order, iterated_, [&](const Expr& phases, const Dims& dims) {
          return define(result_.fresh_name(stem + "_1"), phases, dims, phases.where());
        });
    reordered_ = reordered_ || !result.is(value);
    return result;
  }

  // A nest of which parts are computed before it, where that is cheaper.
  Expr ordered(const Expr& value, const std::string& stem) {
    const SumSurroundings surroundings = surroundings_for(value, stem);
    Expr result = value;
    for (int round = 0; round < kMostRounds; ++round) {
      const Expr next = simplify(
          hoist_parts(order_sum(split_terms(result, surroundings), surroundings), surroundings));
      if (next.is(result)) break;
      reordered_ = true;
      result = next;
    }
    return result;
  }

  SumSurroundings surroundings_for(const Expr& value, const std::string& stem) {
    return {carried_dims_.of(value), prices_,
            [this, stem](const Expr& part) { return define_part(part, stem); },
            [this](const Expr& part) {
              return !marking_ &&
                     known_.find(known_.form_of(simplify(part)), part.dims()).has_value();
            }};
  }

  // What the gradients of `loss` read in place of `tensor`: itself or, where it is marked, a copy
  // that is computed from the copies of what it reads.
  Tensor again(const Tensor& loss, const Tensor& tensor) {
    if (marked_.count(tensor) == 0) return tensor;
    const auto copied = copied_from_.find(tensor);
    const Tensor& first = copied == copied_from_.end() ? tensor : copied->second;
    const auto key = std::make_pair(loss, first);
    if (const auto it = again_.find(key); it != again_.end()) return it->second;
    const Expr value = reading_again(loss, first.value());
    const Flagged marking(marking_, true);
    const Tensor copy =
        define(result_.fresh_name(first.name() + "_again"), value, first.dims(), first.where());
    copied_from_.emplace(copy, first);
    again_.emplace(key, copy);
    return copy;
  }

  Expr reading_again(const Tensor& loss, const Expr& value) {
    std::map<Tensor, Tensor> replaced;
    for (const Tensor& read : tensors_read(value))
      if (marked_.count(read) != 0) replaced.emplace(read, again(loss, read));
    return replace_tensors(value, replaced);
  }

  Tensor gradient_of(const Gradient& gradient) {
    const Flagged marking(marking_, false);
    const Flagged deriving(deriving_, true);
    const auto find = [&](const Tensor& tensor) {
      const auto it = mapped_.find(tensor);
      return it == mapped_.end() ? tensor : it->second;
    };
    const Tensor loss = find(gradient.loss);
    const Tensor result = adjoint_or_zero(loss, find(gradient.wrt));
    while (!later_.empty()) {
      const auto [carried, later] = later_.back();
      later_.pop_back();
      add_carry({later, as_definition(adjoint_or_zero(loss, carried), later)});
    }
    return result;
  }

  // What an iteration receives from those after it, through `carried`: itself carried, the other
  // way. What it is updated with is known only when all of the loop's adjoints are.
  Tensor adjoint_from_later(const Tensor& loss, const Tensor& carried) {
    const auto key = std::make_pair(loss, carried);
    if (const auto it = adjoints_from_later_.find(key); it != adjoints_from_later_.end())
      return it->second;
    const Tensor later =
        make_carried(result_.fresh_name("d_" + carried.name() + "_later"), carried.over(),
                     !carried.descending(), make_constant(Scalar::of_number(carried.type(), 0)),
                     carried.where(), adjoint_dims(loss, carried));
    result_.import(later);
    adjoints_from_later_.emplace(key, later);
    later_.emplace_back(carried, later);
    return later;
  }

  // A definition over the dims of `like`, in that order.
  Tensor as_definition(const Tensor& tensor, const Tensor& like) {
    if (tensor.role() == Role::definition && tensor.dims() == like.dims()) return tensor;
    return result_.define(result_.fresh_name(like.name() + "_next"), make_read(tensor),
                          tensor.where(), like.dims());
  }

  // What `tensor` receives through a carried tensor that begins with it or is updated with it.
  std::optional<Expr> through_loop(const Tensor& loss, const Tensor& carried, const Tensor& tensor,
                                   const Define& add) {
    if (!is_float(carried.type())) return std::nullopt;
    std::optional<Expr> total;
    const Update* carry = result_.update_of(carried);
    if (carry != nullptr && carry->value == tensor)
      total = make_read(adjoint_from_later(loss, carried), carried.where());
    if (!reads_tensor(carried.value(), tensor)) return total;
    const Dim& over = carried.over();
    const int64_t first = carried.descending() ? over.extent() - 1 : 0;
    const std::optional<Tensor> all = adjoint(loss, carried);
    if (!all) return total;
    const Expr out_adjoint = all->at(over, make_constant(Scalar::of_int(DType::i32, first)));
    const Tensor start = make_definition(carried.name() + "_first", carried.value(),
                                         carried.where(), subtract(carried.dims(), {over}));
    const std::optional<Expr> part = adjoint_contribution(
        {start, std::nullopt, {}, carried.value()}, tensor, out_adjoint, sorted(loss.dims()), add);
    if (part) total = total ? *total + *part : *part;
    return total;
  }

  Tensor adjoint_or_zero(const Tensor& loss, const Tensor& tensor) {
    if (const std::optional<Tensor> found = adjoint(loss, tensor)) return *found;
    return define("d_" + tensor.name(), make_constant(Scalar::of_number(tensor.type(), 0)),
                  adjoint_dims(loss, tensor), tensor.where());
  }

  // The adjoint of `tensor` with respect to `loss`, from those of the nests that read it; nothing
  // where no derivative leads from one to the other. Theirs are found first, on a stack of our own:
  // programs may be deeper than calls can nest.
  std::optional<Tensor> adjoint(const Tensor& loss, const Tensor& tensor) {
    const auto known = [&](const Tensor& each) { return adjoints_.count({loss, each}) != 0; };
    std::vector<Tensor> open = {tensor};
    while (!open.empty()) {
      const Tensor next = open.back();
      const size_t waiting = open.size();
      if (!known(next))
        for (const Tensor& user : readers_.between(next, loss))
          if (!known(user) && passes_on(loss, user, next)) open.push_back(user);
      if (open.size() > waiting) {
        std::reverse(open.begin() + static_cast<std::ptrdiff_t>(waiting), open.end());
        continue;
      }
      if (!known(next)) adjoints_.emplace(std::make_pair(loss, next), adjoint_by_users(loss, next));
      open.pop_back();
    }
    return adjoints_.at({loss, tensor});
  }

  // Does `tensor` receive something of the adjoint of `user`, which reads it?
  bool passes_on(const Tensor& loss, const Tensor& user, const Tensor& tensor) const {
    if (user.role() != Role::carried) return is_differentiable(nest_of(user), tensor);
    return is_float(user.type()) && !contains(loss.dims(), user.over()) &&
           reads_tensor(user.value(), tensor);
  }

  std::optional<Tensor> adjoint_by_users(const Tensor& loss, const Tensor& tensor) {
    std::optional<Expr> total;
    if (tensor == loss) total = make_constant(Scalar::of_number(loss.type(), 1));
    const Define add = [&](const std::string& stem, const Expr& value) {
      return define(stem, lift(reading_again(loss, value), stem), value.dims(), value.where());
    };
    for (const Tensor& user : readers_.between(tensor, loss)) {
      std::optional<Expr> part;
      if (user.role() == Role::carried) {
        // Within an iteration, what comes from those before it is fixed.
        if (!contains(loss.dims(), user.over())) part = through_loop(loss, user, tensor, add);
      } else if (const Nest nest = nest_of(user); is_differentiable(nest, tensor)) {
        if (const std::optional<Tensor> out_adjoint = adjoint(loss, user))
          part = adjoint_contribution(nest, tensor, make_read(*out_adjoint, user.where()),
                                      sorted(loss.dims()), add);
      }
      if (part) total = total ? *total + *part : *part;
    }
    if (!total) return std::nullopt;
    const std::string name = "d_" + tensor.name();
    return define(name, lift(reading_again(loss, *total), name), adjoint_dims(loss, tensor),
                  tensor.where());
  }

  // Outputs and updates name definitions: a plain copy of an input is one of its own there.
  Tensor stored(const Tensor& source) {
    const auto known = mapped_.find(source);  // inputs, parameters and states stand for themselves
    const Tensor tensor = known != mapped_.end() ? known->second : source;
    if (tensor.role() == Role::definition) return tensor;
    const std::string name =
        result_.find(source.name()) ? result_.fresh_name(source.name() + "_copy") : source.name();
    const auto [it, fresh] = copies_.try_emplace(source, tensor);
    if (fresh)
      it->second =
          result_.define(name, make_read(tensor, source.where()), source.where(), source.dims());
    return it->second;
  }

  const Program& source_;
  const FanFinder fans_;
  DerivedLimit derived_;
  const SumPrices prices_;
  const NormalStage stage_;
  Program result_;
  Readers readers_;             // in the result
  CarriedDims carried_dims_;    // in the result
  Dims iterated_;               // by loops of the source
  std::set<Tensor> read_once_;  // of the source: in one place of one formula
  std::vector<Output> outputs_;
  std::vector<Update> updates_;
  std::map<Tensor, Tensor> mapped_;
  std::map<Tensor, Tensor> copies_;
  std::map<std::pair<Tensor, Tensor>, std::optional<Tensor>> adjoints_;
  std::map<std::pair<Tensor, Tensor>, Tensor> adjoints_from_later_;
  std::vector<std::pair<Tensor, Tensor>> later_;  // carried tensor, what its adjoint goes into
  bool marking_ = false;                          // definitions that are made now are marked
  std::set<Tensor> marked_;                       // gradients compute them again
  std::map<Tensor, Tensor> copied_from_;
  std::map<std::pair<Tensor, Tensor>, Tensor> again_;  // of a loss and a marked definition
  SharedNodes shared_;
  KnownDefinitions known_;
  std::set<Tensor> several_;  // definitions that stand for more than one of the source's, or parts
  std::set<Tensor> once_;     // that only one formula of the source reads, in one place
  bool reordered_ = false;    // some definition, by price
  bool deriving_ = false;     // definitions that are made now belong to a gradient
};

}  // namespace

Program normalize(const Program& program, const SumPrices& prices) {
  check_sizes(program);
  const Program named = name_reductions(rank_dims(program));
  Program normal = Normalizer(named, prices, NormalStage::gradients).run();
  // What gradients added may be put in order together with what was there; and what lies as it is
  // used may be there already.
  for (int run = 0; run < kMostRuns; ++run) {
    Normalizer again(normal, prices, NormalStage::order);
    Program next = again.run();
    bool changed = again.changed();
    if (changed) normal = std::move(next);
    if (!changed) normal = arrange_dims(normal, changed);
    if (!changed) break;
  }
  check_sizes(normal);
  return normal;
}

}  // namespace tessera
