#include "ir/normalize.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "ir/fans.h"
#include "ir/functions.h"
#include "ir/grad.h"
#include "ir/limits.h"
#include "ir/nest.h"
#include "ir/sequence.h"
#include "ir/simplify.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool is_reduction(const Expr& expr) {
  return as<Reduce>(expr) != nullptr;
}

// The same reduction over dims that are not among `order`: a definition may repeat its value along
// a dim that its formula reduces, and a nest's loops are all different.
Expr apart(const Expr& value, const Dims& order) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr || intersect(reduce->dims, order).empty()) return value;
  std::map<Dim, Expr> renamed;
  Dims bound;
  for (const Dim& dim : reduce->dims) {
    bound.push_back(contains(order, dim) ? Dim(dim.name() + "_", dim.extent(), dim.where()) : dim);
    if (!(bound.back() == dim)) renamed.emplace(dim, make_index(bound.back(), value.where()));
  }
  return make_reduce(reduce->op, bound, substitute(reduce->body, renamed), value.where());
}

// Sets a flag for as long as it lives.
class Flagged {
 public:
  Flagged(bool& flag, bool value) : flag_(flag), before_(flag) { flag_ = value; }
  ~Flagged() { flag_ = before_; }
  Flagged(const Flagged&) = delete;
  Flagged& operator=(const Flagged&) = delete;

 private:
  bool& flag_;
  const bool before_;
};

// Operations that all gradients of a program may have: a first gradient has some times as many as
// the program, and only gradients of gradients go on growing.
size_t most_derived(const Program& program) {
  constexpr size_t kAnyProgram = 100'000, kTimes = 30;
  size_t written = 0;
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() == Role::definition) written += subexpressions(tensor.value()).size();
  return kAnyProgram + kTimes * written;
}

// A definition of the normal form and the formula that it was made from.
struct Known {
  Tensor tensor;
  Expr value;
};

class Normalizer {
 public:
  explicit Normalizer(const Program& program)
      : source_(program),
        fans_(program),
        most_derived_(most_derived(program)),
        result_(program.name(), program.where()) {}

  Program run() {
    for (const Dim& dim : source_.dims()) result_.declare(dim);
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
    return prune();
  }

 private:
  // Fans follow from the program as it is written, so they are found before anything is derived.
  Tensor settled(const Tensor& tensor) const {
    const Initializer first = fans_.settled(tensor);
    if (first == tensor.initializer()) return tensor;
    return make_tensor(tensor.name(), tensor.dims(), tensor.type(), tensor.role(), first,
                       tensor.where());
  }

  // Loops must be whole before anything differentiates them, so theirs is the order of computing.
  static std::vector<Tensor> in_order(const Program& program) {
    if (program.carries().empty()) return program.tensors();
    std::vector<Tensor> all;
    for (const Tensor& tensor : program.tensors())
      if (tensor.role() != Role::definition && tensor.role() != Role::carried)
        all.push_back(tensor);
    const std::vector<Tensor> computed = tensors_of(sequence_of(program));
    all.insert(all.end(), computed.begin(), computed.end());
    return all;
  }

  // The normal form of a definition of the source.
  void define_from(const Tensor& tensor) {
    const Flagged marking(marking_, tensor.checkpoint());
    Expr value = lift(rewritten(tensor.value()), tensor.name());
    mapped_.emplace(tensor, define(tensor.name(), value, tensor.dims(), tensor.where()));
  }

  void carry_from(const Tensor& tensor) {
    Expr initial = lift(rewritten(tensor.value()), tensor.name());
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
    index_users(carry.target);
  }

  Expr rewritten(const Expr& marked) const {
    const Expr value = transform(marked, [](const Expr& node) -> Expr {
      const Looped* looped = as<Looped>(node);
      return looped != nullptr ? looped->value : node;
    });
    std::map<Tensor, Tensor> replaced;
    for (const Tensor& read : tensors_read(value)) {
      const auto it = mapped_.find(read);
      if (it != mapped_.end() && !(it->second == read)) replaced.emplace(read, it->second);
    }
    return replace_tensors(value, replaced);
  }

  // A formula that is a nest: inner reductions and gradients become definitions of their own.
  Expr lift(const Expr& value, const std::string& stem) {
    Expr lifted = transform(lift_checkpoints(value, stem), [&](const Expr& node) -> Expr {
      if (const Gradient* gradient = as<Gradient>(node))
        return make_read(gradient_of(*gradient), node.where());
      const Reduce* reduce = as<Reduce>(node);
      if (reduce == nullptr) return node;
      if (reduce->op == Reduction::argmax || reduce->op == Reduction::argmin)
        return position_of(*reduce, node, stem);
      const Expr body = lift_reductions(reduce->body, stem);
      return body.is(reduce->body) ? node
                                   : make_reduce(reduce->op, reduce->dims, body, node.where());
    });
    lifted = is_reduction(lifted) ? lifted : lift_reductions(lifted, stem);
    return simplify(lifted);
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
      return make_read(define(result_.fresh_name(stem + "_1"), node, node.dims(), node.where()),
                       node.where());
    });
  }

  // argmax[k](x): the least k with x == max[k](x); a NaN counts as the maximum.
  Expr position_of(const Reduce& reduce, const Expr& node, const std::string& stem) {
    const Reduction op = reduce.op == Reduction::argmax ? Reduction::max : Reduction::min;
    const Expr body = lift_reductions(reduce.body, stem);
    const Expr best = lift_reductions(make_reduce(op, reduce.dims, body, node.where()), stem);
    Expr reaches = equal(body, best, node.where());
    if (is_float(body.type())) reaches = reaches || differs(body, body, node.where());
    const Dim& dim = reduce.dims[0];
    const Expr none = make_constant(Scalar::of_int(DType::i32, dim.extent() - 1), node.where());
    return make_reduce(Reduction::min, reduce.dims,
                       where(reaches, make_index(dim), none, node.where()), node.where());
  }

  // Adds a definition, or finds the equal one that is there.
  Tensor define(const std::string& name, const Expr& formula, const Dims& order,
                const SourceLocation& where) {
    const Expr value = shared_.share(simplify(apart(formula, order)));
    count(value, where);
    const std::optional<Tensor> original = whole_tensor(value);
    if (original && original->dims() == order) {
      if (marking_ && original->role() == Role::definition) marked_.insert(*original);
      return *original;
    }
    std::vector<Known>& known = known_[structure_hash(value)];
    if (!marking_)
      for (const Known& each : known)
        if (each.tensor.dims() == order && equivalent(each.value, value)) return each.tensor;
    const std::string free_name = result_.find(name) ? result_.fresh_name(name) : name;
    const Tensor tensor =
        result_.define(free_name, marking_ ? make_checkpoint(value, where) : value, where, order);
    if (marking_) {
      marked_.insert(tensor);
    } else {
      known.push_back({tensor, value});
    }
    return tensor;
  }

  // A derivative is some times as large as what it is taken of, and so is its own derivative.
  void count(const Expr& value, const SourceLocation& where) {
    if (!deriving_) return;
    derived_ += subexpressions(value).size();
    if (derived_ > most_derived_)
      throw UserError(where, "the gradients of `" + source_.name() + "` grow beyond " +
                                 std::to_string(most_derived_) +
                                 " operations; take fewer gradients of gradients, or of shorter "
                                 "formulas");
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
    if (!begins_with(carried, tensor)) return total;
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

  // Those of the tensor, and those of a loss that is derived at each of its indices.
  static Dims adjoint_dims(const Tensor& loss, const Tensor& tensor) {
    Dims dims = tensor.dims();
    for (const Dim& dim : loss.dims())
      if (!contains(dims, dim)) dims.push_back(dim);
    return dims;
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
        for (const Tensor& user : between(next, loss))
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
    if (user.role() != Role::carried) return differentiable(nest_of(user), tensor);
    return is_float(user.type()) && !contains(loss.dims(), user.over()) &&
           begins_with(user, tensor);
  }

  static bool begins_with(const Tensor& carried, const Tensor& tensor) {
    const std::vector<Tensor> begins = tensors_read(carried.value());
    return std::find(begins.begin(), begins.end(), tensor) != begins.end();
  }

  std::optional<Tensor> adjoint_by_users(const Tensor& loss, const Tensor& tensor) {
    std::optional<Expr> total;
    if (tensor == loss) total = make_constant(Scalar::of_number(loss.type(), 1));
    const Define add = [&](const std::string& stem, const Expr& value) {
      return define(stem, lift(reading_again(loss, value), stem), value.dims(), value.where());
    };
    for (const Tensor& user : between(tensor, loss)) {
      std::optional<Expr> part;
      if (user.role() == Role::carried) {
        // Within an iteration, what comes from those before it is fixed.
        if (!contains(loss.dims(), user.over())) part = through_loop(loss, user, tensor, add);
      } else if (const Nest nest = nest_of(user); differentiable(nest, tensor)) {
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

  static bool differentiable(const Nest& nest, const Tensor& tensor) {
    if (!is_float(nest.body.type())) return false;
    for (const Expr& read : reads_of(nest))
      if (as<Read>(read)->tensor == tensor) return is_float(tensor.type());
    return false;
  }

  // The definitions that read `tensor` and that `loss` depends on, in program order.
  std::vector<Tensor> between(const Tensor& tensor, const Tensor& loss) {
    for (; indexed_ < result_.tensors().size(); ++indexed_)
      index_users(result_.tensors()[indexed_]);
    std::vector<Tensor> found;
    const std::set<Tensor>& needed = reach(loss);
    const auto it = users_.find(tensor);
    if (it == users_.end()) return found;
    for (const Tensor& user : it->second)
      if (needed.count(user) != 0) found.push_back(user);
    return found;
  }

  // What a carried tensor reads is known only when its loop is whole.
  void index_users(const Tensor& user) {
    for (const Tensor& read : result_.sources_of(user)) users_[read].insert(user);
  }

  const std::set<Tensor>& reach(const Tensor& loss) {
    const auto [it, fresh] = reached_.try_emplace(loss);
    if (fresh) it->second = result_.ancestors({loss});
    return it->second;
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

  // What outputs and updates need, without markers that only gradients look at.
  Program prune() const {
    std::vector<Tensor> roots;
    for (const Output& output : outputs_) roots.push_back(output.value);
    for (const Update& update : updates_) roots.push_back(update.value);
    const std::set<Tensor> needed = result_.ancestors(roots);
    Program program(result_.name(), result_.where());
    std::map<Tensor, Tensor> final_form;
    for (const Tensor& tensor : in_order(result_)) {
      const bool carried = tensor.role() == Role::carried;
      if (tensor.role() != Role::definition && !carried) {
        program.import(tensor);
      } else if (needed.count(tensor) != 0) {
        Expr value = simplify(without_markers(replace_tensors(tensor.value(), final_form)));
        const bool marked = marked_.count(tensor) != 0;
        const bool same = value.is(tensor.value()) && marked == tensor.checkpoint();
        if (marked) value = make_checkpoint(value, value.where());
        if (same) {
          program.import(tensor);
        } else if (carried) {
          final_form.emplace(tensor,
                             program.carry(tensor.name(), tensor.over(), value, tensor.descending(),
                                           tensor.dims(), tensor.where()));
        } else {
          final_form.emplace(tensor,
                             program.define(tensor.name(), value, tensor.where(), tensor.dims()));
        }
      }
    }
    const auto find = [&](const Tensor& tensor) {
      const auto it = final_form.find(tensor);
      return it == final_form.end() ? tensor : it->second;
    };
    for (const Update& carry : result_.carries())
      if (needed.count(carry.target) != 0)
        program.add_carry({find(carry.target), find(carry.value)});
    for (const Output& output : outputs_)
      program.add_output({output.name, find(output.value), output.order});
    for (const Update& update : updates_) program.add_update({update.target, find(update.value)});
    for (const Pin& pin : source_.pins())
      if (program.find(pin.tensor)) program.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return program;
  }

  static Expr without_markers(const Expr& value) {
    return transform(value, [](const Expr& node) -> Expr {
      const Apply* apply = as<Apply>(node);
      return apply != nullptr && apply->fn == Fn::stop_gradient ? apply->args[0] : node;
    });
  }

  const Program& source_;
  const FanFinder fans_;
  const size_t most_derived_;
  Program result_;
  std::vector<Output> outputs_;
  std::vector<Update> updates_;
  std::map<Tensor, Tensor> mapped_;
  std::map<Tensor, Tensor> copies_;
  std::map<std::pair<Tensor, Tensor>, std::optional<Tensor>> adjoints_;
  std::map<std::pair<Tensor, Tensor>, Tensor> adjoints_from_later_;
  std::vector<std::pair<Tensor, Tensor>> later_;  // carried tensor, what its adjoint goes into
  std::map<Tensor, std::set<Tensor>> reached_;
  std::map<Tensor, std::set<Tensor>> users_;  // in the order of making
  size_t indexed_ = 0;                        // tensors of the result whose uses are in `users_`
  bool marking_ = false;                      // definitions that are made now are marked
  std::set<Tensor> marked_;                   // gradients compute them again
  std::map<Tensor, Tensor> copied_from_;
  std::map<std::pair<Tensor, Tensor>, Tensor> again_;  // of a loss and a marked definition
  std::unordered_map<uint64_t, std::vector<Known>> known_;
  SharedNodes shared_;
  bool deriving_ = false;  // definitions that are made now belong to a gradient
  size_t derived_ = 0;     // operations of those
};

}  // namespace

Program normalize(const Program& program) {
  check_sizes(program);
  Program normal = Normalizer(program).run();
  check_sizes(normal);
  return normal;
}

}  // namespace tessera
