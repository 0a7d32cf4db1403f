#include "ir/prune.h"

#include "ir/sequence.h"
#include "ir/simplify.h"
#include "ir/structure.h"

namespace tessera {
namespace {

Expr without_markers(const Expr& value) {
  return transform(value, [](const Expr& node) -> Expr {
    const Apply* apply = as<Apply>(node);
    return apply != nullptr && apply->fn == Fn::stop_gradient ? apply->args[0] : node;
  });
}

// The program that is being made from another.
class Pruner {
 public:
  Pruner(const Program& whole, const Kept& kept)
      : whole_(whole), kept_(kept), program_(whole.name(), whole.where()) {
    std::vector<Tensor> roots;
    for (const Output& output : kept.outputs) roots.push_back(output.value);
    for (const Update& update : kept.updates) roots.push_back(update.value);
    needed_ = whole.ancestors(roots);
  }

  Program run() {
    for (const Tensor& tensor : in_order(whole_)) {
      const bool computed = tensor.role() == Role::definition || tensor.role() == Role::carried;
      if (!computed) {
        program_.import(tensor);
      } else if (needed_.count(tensor) != 0) {
        take(tensor);
      }
    }
    for (const Update& carry : whole_.carries())
      if (needed_.count(carry.target) != 0)
        program_.add_carry({find(carry.target), find(carry.value)});
    for (const Output& output : kept_.outputs)
      program_.add_output({output.name, find(output.value), output.order});
    for (const Update& update : kept_.updates)
      program_.add_update({update.target, find(update.value)});
    for (const Pin& pin : kept_.pins)
      if (program_.find(pin.tensor)) program_.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return std::move(program_);
  }

 private:
  void take(const Tensor& tensor) {
    Expr value = simplify(without_markers(replace_tensors(tensor.value(), final_form_)));
    const bool marked = kept_.marked.count(tensor) != 0;
    if (value.is(tensor.value()) && marked == tensor.checkpoint()) {
      program_.import(tensor);
      return;
    }
    if (marked) value = make_checkpoint(value, value.where());
    final_form_.emplace(
        tensor, tensor.role() == Role::carried
                    ? program_.carry(tensor.name(), tensor.over(), value, tensor.descending(),
                                     tensor.dims(), tensor.where())
                    : program_.define(tensor.name(), value, tensor.where(), tensor.dims()));
  }

  Tensor find(const Tensor& tensor) const {
    const auto it = final_form_.find(tensor);
    return it == final_form_.end() ? tensor : it->second;
  }

  const Program& whole_;
  const Kept& kept_;
  Program program_;
  std::set<Tensor> needed_;
  std::map<Tensor, Tensor> final_form_;
};

}  // namespace

std::vector<Tensor> in_order(const Program& program) {
  if (program.carries().empty()) return program.tensors();
  std::vector<Tensor> all;
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() != Role::definition && tensor.role() != Role::carried) all.push_back(tensor);
  const std::vector<Tensor> computed = tensors_of(sequence_of(program));
  all.insert(all.end(), computed.begin(), computed.end());
  return all;
}

Program prune(const Program& whole, const Kept& kept) {
  return Pruner(whole, kept).run();
}

}  // namespace tessera
