#include "ir/print_names.h"

#include "ir/lex.h"

namespace tessera {

std::map<Dim, std::string> names_in_text(const Dims& dims, const std::set<std::string>& taken) {
  std::map<Dim, std::string> names;
  std::set<std::string> used = taken;
  for (const Dim& dim : dims)
    if (used.insert(dim.name()).second) names.emplace(dim, dim.name());
  for (const Dim& dim : dims) {
    if (names.count(dim) != 0) continue;
    std::string name;
    for (int i = 2; !used.insert(name = dim.name() + "_" + std::to_string(i)).second;) ++i;
    names.emplace(dim, name);
  }
  return names;
}

std::map<Dim, std::string> names_in_text(const Program& program) {
  std::set<std::string> taken;
  for (const Tensor& tensor : program.tensors()) taken.insert(tensor.name());
  return names_in_text(sorted(program.dims()), taken);
}

std::string pinned_dim(const Program& program, const Pin& pin,
                       const std::map<Dim, std::string>& dim_names) {
  if (const std::optional<Tensor> tensor = program.find(pin.tensor))
    for (const Dim& dim : tensor->dims())
      if (dim.name() == pin.dim) return dim_names.at(dim);
  return pin.dim;
}

std::string quoted(const std::string& name) {
  if (is_plain_name(name) && !is_reserved(name)) return name;
  std::string text = "`";
  for (const char c : name) {
    if (c == '`' || c == '\\') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text + "`";
}

}  // namespace tessera
