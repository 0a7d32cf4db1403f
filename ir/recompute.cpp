#include "ir/recompute.h"

#include <set>

#include "base/error.h"
#include "ir/early_order.h"
#include "ir/structure.h"

namespace tessera {
namespace {

class Recomputer {
 public:
  Recomputer(const Program& source, const std::vector<Recomputation>& which)
      : source_(source),
        order_(early_order(source)),
        result_{Program(source.name(), source.where()), {}} {
    if (!source.carries().empty())
      throw UserError(source.where(), "`" + source.name() +
                                          "` has loops, around which nothing is computed again; "
                                          "plan it anew");
    std::map<std::string, size_t> at;
    for (size_t i = 0; i < order_.size(); ++i) at[order_[i].name()] = i;
    for (const Recomputation& each : which) {
      const Tensor tensor = definition(each.tensor);
      const size_t from = at.at(definition(each.from).name());
      if (!from_.emplace(tensor, Place{at.at(each.tensor), from}).second)
        throw UserError("`" + each.tensor + "` is to be computed again twice; once is enough");
    }
  }

  RecomputingProgram run() {
    for (size_t i = 0; i < order_.size(); ++i)
      order_[i].role() == Role::definition ? define(order_[i], i)
                                           : result_.program.import(order_[i]);
    for (const Output& output : source_.outputs())
      result_.program.add_output({output.name, now(output.value), output.order});
    for (const Update& update : source_.updates())
      result_.program.add_update({update.target, now(update.value)});
    for (const Pin& pin : source_.pins())
      result_.program.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return std::move(result_);
  }

 private:
  Tensor definition(const std::string& name) const {
    const std::optional<Tensor> tensor = source_.find(name);
    if (!tensor || tensor->role() != Role::definition)
      throw UserError("`" + name + "` is computed again by the plan, and is no definition of `" +
                      source_.name() + "`; plan it anew");
    return *tensor;
  }

  Tensor now(const Tensor& tensor) const {
    const auto it = now_.find(tensor);
    return it == now_.end() ? tensor : it->second;
  }

  void define(const Tensor& tensor, size_t place) {
    for (const size_t needed : copies_needed(tensor, place)) make_copy(order_[needed], place);
    const Expr value = value_at(tensor, place);
    if (value.is(tensor.value())) {
      result_.program.import(tensor);
      return;
    }
    now_.emplace(tensor, result_.program.define(
                             tensor.name(),
                             tensor.checkpoint() ? make_checkpoint(value, value.where()) : value,
                             tensor.where(), tensor.dims()));
  }

  bool is_copied(const Tensor& tensor, size_t place) const {
    const auto from = from_.find(tensor);
    return from != from_.end() && place >= from->second.from;
  }

  // Those that are read at the place and by one another, and are not there yet, in order.
  std::set<size_t> copies_needed(const Tensor& reader, size_t place) const {
    std::set<size_t> needed;
    std::vector<Tensor> open = {reader};
    while (!open.empty()) {
      const Tensor next = open.back();
      open.pop_back();
      for (const Tensor& read : tensors_read(next.value()))
        if (is_copied(read, place) && copy_.count(read) == 0 &&
            needed.insert(from_.at(read).own).second)
          open.push_back(read);
    }
    return needed;
  }

  // The formula of a definition as it reads at a place.
  Expr value_at(const Tensor& tensor, size_t place) const {
    std::map<Tensor, Tensor> replaced;
    for (const Tensor& read : tensors_read(tensor.value())) {
      const Tensor other = is_copied(read, place) ? copy_.at(read) : now(read);
      if (!(other == read)) replaced.emplace(read, other);
    }
    return replace_tensors(tensor.value(), replaced);
  }

  void make_copy(const Tensor& tensor, size_t place) {
    const std::string name = free_name(tensor.name() + "_again");
    const Tensor copy =
        result_.program.define(name, make_checkpoint(value_at(tensor, place), tensor.where()),
                               tensor.where(), tensor.dims());
    result_.copies.emplace(name, tensor.name());
    copy_.emplace(tensor, copy);
  }

  // Of the source, which may have such a name further down.
  std::string free_name(const std::string& name) const {
    std::string free = name;
    for (int number = 2; source_.find(free) || result_.program.find(free); ++number)
      free = name + "_" + std::to_string(number);
    return free;
  }

  // In the order.
  struct Place {
    size_t own;
    size_t from;  // where the copy is read first
  };

  const Program& source_;
  const std::vector<Tensor> order_;
  RecomputingProgram result_;
  std::map<Tensor, Place> from_;
  std::map<Tensor, Tensor> now_;  // definitions that read other tensors than before
  std::map<Tensor, Tensor> copy_;
};

}  // namespace

RecomputingProgram recomputing(const Program& normal, const std::vector<Recomputation>& which) {
  if (which.empty()) return {normal, {}};
  return Recomputer(normal, which).run();
}

}  // namespace tessera
