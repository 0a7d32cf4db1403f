#include "ir/print_names.h"
#include "ir/program.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Compares two programs piece by piece. Dims are paired by their names in the text form, tensors
// by name; shared nodes are compared once.
class Comparison {
 public:
  Comparison(const Program& a, const Program& b)
      : a_(a), b_(b), left_names_(names_in_text(a)), right_names_(names_in_text(b)) {}

  bool equal() {
    return a_.name() == b_.name() && pair_dims() && same_tensors() && same_carries() &&
           same_updates() && same_outputs() && same_pins();
  }

 private:
  bool pair_dims() {
    if (left_names_.size() != right_names_.size()) return false;
    std::map<std::string, Dim> by_name;
    for (const auto& [dim, name] : right_names_) by_name.emplace(name, dim);
    for (const auto& [dim, name] : left_names_) {
      const auto it = by_name.find(name);
      if (it == by_name.end() || it->second.extent() != dim.extent()) return false;
      paired_.emplace(dim, it->second);
    }
    return true;
  }

  bool same(const Dim& a, const Dim& b) const {
    const auto it = paired_.find(a);
    return it != paired_.end() && it->second == b;
  }

  bool same_order(const Dims& a, const Dims& b) const {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
      if (!same(a[i], b[i])) return false;
    return true;
  }

  // The order in which the dims were made may differ.
  bool same_dims(const Dims& a, const Dims& b) const {
    Dims image;
    for (const Dim& dim : a) {
      const auto it = paired_.find(dim);
      if (it == paired_.end()) return false;
      image.push_back(it->second);
    }
    return same_set(image, b);
  }

  static bool same(const Tensor& a, const Tensor& b) { return a.name() == b.name(); }

  bool same_tensors() {
    if (a_.tensors().size() != b_.tensors().size()) return false;
    for (size_t i = 0; i < a_.tensors().size(); ++i) {
      const Tensor& a = a_.tensors()[i];
      const Tensor& b = b_.tensors()[i];
      if (!same(a, b) || a.role() != b.role() || a.type() != b.type() ||
          a.checkpoint() != b.checkpoint() || !same_order(a.dims(), b.dims()))
        return false;
      const bool computed = a.role() == Role::definition || a.role() == Role::carried;
      if (computed ? !same(a.value(), b.value()) : !(a.initializer() == b.initializer()))
        return false;
      if (a.role() == Role::carried &&
          (!same(a.over(), b.over()) || a.descending() != b.descending()))
        return false;
    }
    return true;
  }

  // Their order has no meaning.
  bool same_carries() const {
    if (a_.carries().size() != b_.carries().size()) return false;
    for (const Update& carry : a_.carries()) {
      const std::optional<Tensor> other = b_.find(carry.target.name());
      const Update* match = other ? b_.update_of(*other) : nullptr;
      if (match == nullptr || !same(carry.value, match->value)) return false;
    }
    return true;
  }

  bool same_updates() const {
    if (a_.updates().size() != b_.updates().size()) return false;
    for (size_t i = 0; i < a_.updates().size(); ++i)
      if (!same(a_.updates()[i].target, b_.updates()[i].target) ||
          !same(a_.updates()[i].value, b_.updates()[i].value))
        return false;
    return true;
  }

  bool same_outputs() const {
    if (a_.outputs().size() != b_.outputs().size()) return false;
    for (size_t i = 0; i < a_.outputs().size(); ++i) {
      const Output& a = a_.outputs()[i];
      const Output& b = b_.outputs()[i];
      if (a.name != b.name || !same(a.value, b.value) || !same_order(a.order, b.order))
        return false;
    }
    return true;
  }

  bool same_pins() const {
    if (a_.pins().size() != b_.pins().size()) return false;
    for (size_t i = 0; i < a_.pins().size(); ++i) {
      const Pin& a = a_.pins()[i];
      const Pin& b = b_.pins()[i];
      if (a.tensor != b.tensor || a.axis != b.axis ||
          pinned_dim(a_, a, left_names_) != pinned_dim(b_, b, right_names_))
        return false;
    }
    return true;
  }

  bool same(const Expr& a, const Expr& b) {
    if (const Looped* looped = as<Looped>(a)) return same(looped->value, b);
    if (const Looped* looped = as<Looped>(b)) return same(a, looped->value);
    if (a.node().kind.index() != b.node().kind.index() || a.type() != b.type()) return false;
    if (matched_.count({&a.node(), &b.node()}) != 0) return true;
    if (!same_kind(a, b)) return false;
    const std::vector<Expr> left = children(a);
    const std::vector<Expr> right = children(b);
    if (left.size() != right.size()) return false;
    for (size_t i = 0; i < left.size(); ++i)
      if (!same(left[i], right[i])) return false;
    matched_.insert({&a.node(), &b.node()});
    return true;
  }

  bool same_kind(const Expr& a, const Expr& b) const {
    if (const Constant* x = as<Constant>(a)) return x->value == as<Constant>(b)->value;
    if (const IndexOf* x = as<IndexOf>(a)) return same(x->dim, as<IndexOf>(b)->dim);
    if (const Apply* x = as<Apply>(a)) return x->fn == as<Apply>(b)->fn;
    if (const Reduce* x = as<Reduce>(a))
      return x->op == as<Reduce>(b)->op && same_dims(x->dims, as<Reduce>(b)->dims);
    if (const Gradient* x = as<Gradient>(a))
      return same(x->loss, as<Gradient>(b)->loss) && same(x->wrt, as<Gradient>(b)->wrt);
    const Read* x = as<Read>(a);
    const Read* y = as<Read>(b);
    if (!same(x->tensor, y->tensor) || x->indices.size() != y->indices.size()) return false;
    bool padded = false;
    for (size_t i = 0; i < x->indices.size(); ++i) {
      if (x->indices[i].padded != y->indices[i].padded) return false;
      padded = padded || x->indices[i].padded;
    }
    return !padded || x->pad == y->pad;
  }

  const Program& a_;
  const Program& b_;
  const std::map<Dim, std::string> left_names_;
  const std::map<Dim, std::string> right_names_;
  std::map<Dim, Dim> paired_;
  NodePairs matched_;
};

}  // namespace

bool Program::operator==(const Program& other) const {
  return this == &other || Comparison(*this, other).equal();
}

}  // namespace tessera
