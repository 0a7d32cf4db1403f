#include "ir/print.h"

#include <algorithm>

#include "base/error.h"
#include "ir/print_expression.h"
#include "ir/print_names.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kWidth = 100;

class ProgramPrinter {
 public:
  explicit ProgramPrinter(const Program& program)
      : program_(program),
        dim_names_(names_in_text(program)),
        formulas_(dim_names_),
        inlined_(inlined_updates()) {}

  std::string run() {
    text_ = "program " + quoted(program_.name()) + "\n";
    dims();
    const char* group = "";
    for (const Tensor& tensor : program_.tensors()) {
      const bool computed = tensor.role() == Role::definition || tensor.role() == Role::carried;
      const char* next = computed ? "definition" : "border";
      if (std::string_view(group) != next) text_ += "\n";
      group = next;
      tensor.role() == Role::definition ? definition(tensor)
      : computed                        ? carried(tensor)
                                        : border(tensor);
    }
    print_carries();
    if (program_.updates().size() > inlined_ || !program_.outputs().empty() ||
        !program_.pins().empty())
      text_ += "\n";
    for (size_t i = inlined_; i < program_.updates().size(); ++i) {
      const Update& update = program_.updates()[i];
      text_ +=
          "update " + quoted(update.target.name()) + " = " + quoted(update.value.name()) + "\n";
    }
    for (const Output& output : program_.outputs()) print_output(output);
    for (const Pin& pin : program_.pins())
      text_ += "pin " + quoted(pin.tensor) + "[" + quoted(pinned_dim(program_, pin, dim_names_)) +
               ": " + quoted(pin.axis) + "]\n";
    return std::move(text_);
  }

 private:
  // How many updates, from the first, can be written where their value is defined, as in
  // `update w = w - dw`, so that reading makes the same definition, `w_next`, at the same place.
  size_t inlined_updates() const {
    std::map<Tensor, size_t> place;
    std::map<Tensor, int> uses;
    for (size_t i = 0; i < program_.tensors().size(); ++i) {
      const Tensor& tensor = program_.tensors()[i];
      place.emplace(tensor, i);
      if (tensor.role() != Role::definition && tensor.role() != Role::carried) continue;
      for (const Tensor& read : tensors_read(tensor.value())) ++uses[read];
    }
    for (const Output& output : program_.outputs()) ++uses[output.value];
    for (const Pin& pin : program_.pins())
      if (const std::optional<Tensor> tensor = program_.find(pin.tensor)) ++uses[*tensor];
    for (const Update& update : program_.updates()) ++uses[update.value];
    for (const Update& carry : program_.carries()) ++uses[carry.value];
    size_t count = 0;
    size_t last = 0;
    for (const Update& update : program_.updates()) {
      const auto it = place.find(update.value);
      if (it == place.end() || it->second < last || uses[update.value] != 1 ||
          update.value.role() != Role::definition || !is_made_by_update(update, it->second))
        break;
      last = it->second;
      ++count;
    }
    return count;
  }

  bool is_made_by_update(const Update& update, size_t place) const {
    const Tensor& value = update.value;
    const std::string stem = update.target.name() + "_next";
    std::string fresh = stem;
    const auto taken = [&](const std::string& name) {
      for (size_t i = 0; i < place; ++i)
        if (program_.tensors()[i].name() == name) return true;
      return false;
    };
    for (int i = 2; taken(fresh); ++i) fresh = stem + "_" + std::to_string(i);
    if (value.name() != fresh || value.dims() != update.target.dims() ||
        value.type() != update.target.type())
      return false;
    const Read* read = as<Read>(value.value());
    return read == nullptr || read->tensor.role() != Role::definition;
  }

  const Update* inlined(const Tensor& tensor) const {
    for (size_t i = 0; i < inlined_; ++i)
      if (program_.updates()[i].value == tensor) return &program_.updates()[i];
    return nullptr;
  }

  void dims() {
    const Dims all = sorted(program_.dims());
    if (!all.empty()) text_ += "\n";
    std::string line;
    for (const Dim& dim : all) {
      const std::string entry = formulas_.name(dim) + " = " + std::to_string(dim.extent());
      if (!line.empty() && line.size() + entry.size() + 2 > kWidth) {
        text_ += line + "\n";
        line.clear();
      }
      line += (line.empty() ? "dim " : ", ") + entry;
    }
    if (!line.empty()) text_ += line + "\n";
  }

  std::string with_dims(const std::string& name, const Dims& dims) const {
    return dims.empty() ? quoted(name) : quoted(name) + "[" + formulas_.list(dims) + "]";
  }

  void border(const Tensor& tensor) {
    text_ += tensor.role() == Role::input       ? "input "
             : tensor.role() == Role::parameter ? "param "
                                                : "state ";
    text_ += with_dims(tensor.name(), tensor.dims());
    if (tensor.type() != DType::f32) text_ += std::string(" : ") + name_of(tensor.type());
    if (tensor.role() != Role::input && !(tensor.initializer() == zeros()))
      text_ += " = " + describe(tensor.initializer());
    text_ += "\n";
  }

  void definition(const Tensor& tensor) {
    const std::string value = formulas_.definition(
        tensor.checkpoint() ? make_checkpoint(tensor.value()) : tensor.value());
    if (const Update* update = inlined(tensor)) {
      text_ += "update " + quoted(update->target.name()) + " = " + value + "\n";
      return;
    }
    const bool sorted_dims = tensor.dims() == tensor.value().dims();
    text_ += with_dims(tensor.name(), sorted_dims ? Dims{} : tensor.dims()) + " = " + value + "\n";
  }

  // `carry h over t = h0`; dims are written where they are not those of the formula, then `over`'s.
  void carried(const Tensor& tensor) {
    const bool plain = tensor.dims() == unite(tensor.value().dims(), {tensor.over()});
    text_ += "carry " + with_dims(tensor.name(), plain ? Dims{} : tensor.dims()) +
             (tensor.descending() ? " down " : " over ") + formulas_.name(tensor.over()) + " = " +
             formulas_.definition(tensor.value()) + "\n";
  }

  void print_carries() {
    for (const Update& carry : program_.carries())
      text_ += "update " + quoted(carry.target.name()) + " = " + quoted(carry.value.name()) + "\n";
  }

  void print_output(const Output& output) {
    text_ += "output " + with_dims(output.name, output.order);
    if (output.name != output.value.name()) text_ += " = " + quoted(output.value.name());
    text_ += "\n";
  }

  const Program& program_;
  const std::map<Dim, std::string> dim_names_;
  const ExpressionPrinter formulas_;
  const size_t inlined_;
  std::string text_;
};

}  // namespace

std::string print(const Program& program) {
  return ProgramPrinter(program).run();
}

std::string print(const Expr& expr) {
  Dims mentioned;
  for (const Expr& node : subexpressions(expr)) {
    mentioned = unite(mentioned, node.dims());
    if (const Reduce* reduce = as<Reduce>(node)) mentioned = unite(mentioned, reduce->dims);
    if (const Read* read = as<Read>(node)) mentioned = unite(mentioned, read->tensor.dims());
  }
  return ExpressionPrinter(names_in_text(mentioned, {})).definition(expr);
}

}  // namespace tessera
