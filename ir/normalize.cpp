#include "ir/normalize.h"

#include <set>
#include <unordered_map>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/grad.h"
#include "ir/nest.h"
#include "ir/simplify.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool is_reduction(const Expr& expr) {
  return as<Reduce>(expr) != nullptr;
}

// The tensor that `value` is a plain copy of.
std::optional<Tensor> copied(const Expr& value) {
  const Read* read = as<Read>(value);
  if (read == nullptr) return std::nullopt;
  for (size_t i = 0; i < read->indices.size(); ++i) {
    const IndexOf* plain = as<IndexOf>(read->indices[i].value);
    if (plain == nullptr || !(plain->dim == read->tensor.dims()[i])) return std::nullopt;
  }
  return read->tensor;
}

class Normalizer {
 public:
  explicit Normalizer(const Program& program)
      : source_(program), result_(program.name(), program.where()) {}

  Program run() {
    for (const Dim& dim : source_.dims()) result_.declare(dim);
    for (const Tensor& tensor : source_.tensors()) {
      if (tensor.role() == Role::definition) {
        define_from(tensor);
      } else {
        result_.import(tensor);
      }
    }
    for (const Output& output : source_.outputs())
      outputs_.push_back({output.name, stored(output.value), output.order});
    for (const Update& update : source_.updates())
      updates_.push_back({update.target, stored(update.value)});
    return prune();
  }

 private:
  // The normal form of a definition of the source.
  void define_from(const Tensor& tensor) {
    Expr value = lift(rewritten(tensor.value()), tensor.name());
    mapped_.emplace(tensor, define(tensor.name(), value, tensor.dims(), tensor.where()));
  }

  Expr rewritten(const Expr& value) const {
    std::map<Tensor, Tensor> replaced;
    for (const Tensor& read : tensors_read(value)) {
      const auto it = mapped_.find(read);
      if (it != mapped_.end() && !(it->second == read)) replaced.emplace(read, it->second);
    }
    return replace_tensors(value, replaced);
  }

  // A formula that is a nest: inner reductions and gradients become definitions of their own.
  Expr lift(const Expr& value, const std::string& stem) {
    Expr lifted = transform(value, [&](const Expr& node) -> Expr {
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
    const Expr value = simplify(formula);
    const std::optional<Tensor> original = copied(value);
    if (original && original->dims() == order) return *original;
    const uint64_t hash = structure_hash(value);
    for (const Tensor& known : known_[hash])
      if (known.dims() == order && equivalent(known.value(), value)) return known;
    const std::string free_name = result_.find(name) ? result_.fresh_name(name) : name;
    const Tensor tensor = result_.define(free_name, value, where, order);
    known_[hash].push_back(tensor);
    users_changed_ = true;
    return tensor;
  }

  Tensor gradient_of(const Gradient& gradient) {
    const auto find = [&](const Tensor& tensor) {
      const auto it = mapped_.find(tensor);
      return it == mapped_.end() ? tensor : it->second;
    };
    return adjoint(find(gradient.loss), find(gradient.wrt));
  }

  // The adjoint of `tensor` with respect to `loss`, from those of the nests that read it.
  Tensor adjoint(const Tensor& loss, const Tensor& tensor) {
    const auto key = std::make_pair(loss, tensor);
    if (const auto it = adjoints_.find(key); it != adjoints_.end()) return it->second;
    std::optional<Expr> total;
    if (tensor == loss) total = make_constant(Scalar::of_number(loss.type(), 1));
    const Define add = [this](const std::string& stem, const Expr& value) {
      return define(stem, lift(value, stem), value.dims(), value.where());
    };
    for (const Tensor& user : between(tensor, loss)) {
      const Nest nest = nest_of(user);
      if (!differentiable(nest, tensor)) continue;
      const Expr out_adjoint = make_read(adjoint(loss, user), user.where());
      const std::optional<Expr> part = adjoint_contribution(nest, tensor, out_adjoint, add);
      if (part) total = total ? *total + *part : *part;
    }
    if (!total) total = make_constant(Scalar::of_number(tensor.type(), 0));
    const std::string name = "d_" + tensor.name();
    const Tensor result = define(name, lift(*total, name), tensor.dims(), tensor.where());
    adjoints_.emplace(key, result);
    return result;
  }

  static bool differentiable(const Nest& nest, const Tensor& tensor) {
    if (!is_float(nest.body.type())) return false;
    for (const Expr& read : reads_of(nest))
      if (as<Read>(read)->tensor == tensor) return is_float(tensor.type());
    return false;
  }

  // The definitions that read `tensor` and that `loss` depends on, in program order.
  std::vector<Tensor> between(const Tensor& tensor, const Tensor& loss) {
    if (users_changed_) {
      users_.clear();
      for (const Tensor& definition : result_.definitions())
        for (const Tensor& read : tensors_read(definition.value()))
          users_[read].push_back(definition);
      users_changed_ = false;
    }
    std::vector<Tensor> found;
    const std::set<Tensor>& needed = reach(loss);
    const auto it = users_.find(tensor);
    if (it == users_.end()) return found;
    for (const Tensor& user : it->second)
      if (needed.count(user) != 0) found.push_back(user);
    return found;
  }

  const std::set<Tensor>& reach(const Tensor& loss) {
    const auto [it, fresh] = reached_.try_emplace(loss);
    if (!fresh) return it->second;
    std::vector<Tensor> open = {loss};
    while (!open.empty()) {
      const Tensor tensor = open.back();
      open.pop_back();
      if (!it->second.insert(tensor).second || tensor.role() != Role::definition) continue;
      for (const Tensor& read : tensors_read(tensor.value())) open.push_back(read);
    }
    return it->second;
  }

  // Outputs and updates name definitions: a plain copy of an input is one of its own there.
  Tensor stored(const Tensor& source) {
    const Tensor& tensor = mapped_.at(source);
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
    std::set<Tensor> needed;
    std::vector<Tensor> open;
    for (const Output& output : outputs_) open.push_back(output.value);
    for (const Update& update : updates_) open.push_back(update.value);
    while (!open.empty()) {
      const Tensor tensor = open.back();
      open.pop_back();
      if (!needed.insert(tensor).second || tensor.role() != Role::definition) continue;
      for (const Tensor& read : tensors_read(tensor.value())) open.push_back(read);
    }
    Program program(result_.name(), result_.where());
    std::map<Tensor, Tensor> final_form;
    for (const Tensor& tensor : result_.tensors()) {
      if (tensor.role() != Role::definition) {
        program.import(tensor);
      } else if (needed.count(tensor) != 0) {
        const Expr value = simplify(without_markers(replace_tensors(tensor.value(), final_form)));
        if (value.is(tensor.value())) {
          program.import(tensor);
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
  Program result_;
  std::vector<Output> outputs_;
  std::vector<Update> updates_;
  std::map<Tensor, Tensor> mapped_;
  std::map<Tensor, Tensor> copies_;
  std::map<std::pair<Tensor, Tensor>, Tensor> adjoints_;
  std::map<Tensor, std::set<Tensor>> reached_;
  std::map<Tensor, std::vector<Tensor>> users_;
  bool users_changed_ = true;
  std::unordered_map<uint64_t, std::vector<Tensor>> known_;
};

}  // namespace

Program normalize(const Program& program) {
  return Normalizer(program).run();
}

}  // namespace tessera
