#include "ir/stack_loops.h"

#include "ir/limits.h"
#include "ir/sequence.h"
#include "ir/structure.h"

namespace tessera {
namespace {

class Stacker {
 public:
  explicit Stacker(const Program& program)
      : source_(program),
        sequence_(sequence_of(program)),
        around_(loops_around(sequence_)),
        result_(program.name(), program.where()) {
    for (const Tensor& tensor : tensors_of(sequence_)) find_stepped(tensor);
  }

  Program run() {
    for (const Dim& dim : source_.dims()) result_.declare(dim);
    for (const Tensor& tensor : source_.tensors())
      if (tensor.role() != Role::definition && tensor.role() != Role::carried)
        result_.import(tensor);
    for (const Tensor& tensor : tensors_of(sequence_)) {
      if (goes_round(tensor)) {
        carry(tensor);
      } else {
        define(tensor);
      }
    }
    for (const Update& carry : source_.carries())
      if (goes_round(carry.target))
        result_.add_carry({made_.at(carry.target), made_.at(carry.value)});
    for (const Output& output : source_.outputs())
      result_.add_output({output.name, made_.at(output.value), output.order});
    for (const Update& update : source_.updates())
      result_.add_update({update.target, in_order_of(update.target, made_.at(update.value))});
    for (const Pin& pin : source_.pins()) result_.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return std::move(result_);
  }

 private:
  // What iterations read of tensors that are computed outside of their loops.
  void find_stepped(const Tensor& user) {
    const Dims around = sorted(loops(user));
    if (around.empty()) return;
    for (const Expr& node : subexpressions(source_.formula_of(user))) {
      const Read* read = as<Read>(node);
      if (read == nullptr || read->tensor.role() != Role::definition) continue;
      for (size_t d = 0; d < read->indices.size(); ++d) {
        Dims& stepped = stepped_[read->tensor];
        const Dim& dim = read->tensor.dims()[d];
        if (!intersect(read->indices[d].value.dims(), around).empty() && !contains(stepped, dim))
          stepped.push_back(dim);
      }
    }
  }

  Dims loops(const Tensor& tensor) const {
    const auto it = around_.find(tensor);
    return it == around_.end() ? Dims{} : it->second;
  }

  // Is it carried by a loop that really iterates its dim?
  bool goes_round(const Tensor& tensor) const {
    return tensor.role() == Role::carried && contains(loops(tensor), tensor.over());
  }

  Dims order_of(const Tensor& tensor) const {
    Dims order = loops(tensor);
    const auto add = [&](const Dims& dims) {
      for (const Dim& dim : dims)
        if (!contains(order, dim)) order.push_back(dim);
    };
    if (const auto it = stepped_.find(tensor); it != stepped_.end()) add(it->second);
    add(tensor.dims());
    return order;
  }

  Expr rewritten(const Expr& value) const {
    return transform(value, [this](const Expr& node) -> Expr {
      const Read* read = as<Read>(node);
      if (read == nullptr) return node;
      const auto it = made_.find(read->tensor);
      if (it == made_.end()) return node;
      std::vector<Index> indices;
      for (const Dim& dim : it->second.dims())
        indices.push_back(read->indices[static_cast<size_t>(position(read->tensor.dims(), dim))]);
      return make_read(it->second, std::move(indices), read->pad, node.where());
    });
  }

  void define(const Tensor& tensor) {
    made_.emplace(tensor, result_.define(tensor.name(), rewritten(source_.formula_of(tensor)),
                                         tensor.where(), order_of(tensor)));
  }

  // The first value lies outside of the loops on which it does not depend.
  void carry(const Tensor& tensor) {
    const Expr initial = rewritten(tensor.value());
    const Dims order = order_of(source_.update_of(tensor)->value);
    Dims kept;
    for (const Dim& dim : order)
      if (!(dim == tensor.over()) &&
          (contains(initial.dims(), dim) || !contains(loops(tensor), dim)))
        kept.push_back(dim);
    const Tensor first = as_tensor(initial, kept, tensor);
    made_.emplace(tensor, result_.carry(tensor.name(), tensor.over(), make_read(first),
                                        tensor.descending(), order, tensor.where()));
  }

  Tensor as_tensor(const Expr& value, const Dims& order, const Tensor& carried) {
    const std::optional<Tensor> whole = whole_tensor(value);
    if (whole && whole->role() != Role::carried && whole->dims() == order) return *whole;
    return result_.define(result_.fresh_name(carried.name() + "_first"), value, carried.where(),
                          order);
  }

  Tensor in_order_of(const Tensor& target, const Tensor& value) {
    if (value.dims() == target.dims()) return value;
    return result_.define(result_.fresh_name(value.name() + "_kept"), make_read(value),
                          value.where(), target.dims());
  }

  const Program& source_;
  const Sequence sequence_;
  const std::map<Tensor, Dims> around_;
  Program result_;
  std::map<Tensor, Dims> stepped_;  // dims through which iterations of other loops step
  std::map<Tensor, Tensor> made_;
};

}  // namespace

Program stack_loops(const Program& normal) {
  if (normal.carries().empty()) return normal;
  Program stacked = Stacker(normal).run();
  check_sizes(stacked);
  return stacked;
}

}  // namespace tessera
