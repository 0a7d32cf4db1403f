#include "storage/match_tensors.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace tessera {
namespace {

// What is wrong with taking `tensor` from the file; "" if nothing.
std::string misfit(const WantedTensor& tensor, const StoredTensor& found) {
  if (found.type == tensor.type && found.shape == tensor.shape) return "";
  std::string text = "the file has " + describe(found);
  std::vector<int64_t> reversed = found.shape;
  std::reverse(reversed.begin(), reversed.end());
  if (found.shape != tensor.shape && reversed == tensor.shape) text += ", its transpose";
  if (found.shape == tensor.shape) text += ": convert it";
  return text;
}

std::string line_of(const WantedTensor& tensor, const std::string& problem) {
  return fmt::format("\n  `{}`{} takes {}; {}", tensor.name,
                     tensor.where.empty() ? "" : " (" + tensor.where + ")",
                     describe(Array{tensor.type, tensor.shape, {}}), problem);
}

}  // namespace

std::string list_some(const std::vector<std::string>& names) {
  constexpr size_t kShown = 20;
  const std::vector<std::string> shown(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size())));
  return join(shown) +
         (names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
}

TensorMatch match_tensors(const TensorFile& file, const std::vector<WantedTensor>& wanted,
                          const std::vector<RenameRule>& rules, const std::string& whose) {
  TensorMatch match;
  std::map<std::string, size_t> by_name;
  std::string problems;
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const std::string& own = file.tensors()[i].name;
    const auto [it, fresh] = by_name.emplace(renamed(own, rules), i);
    if (!fresh)
      problems += fmt::format("\n  `{}` and `{}` of the file are both `{}`",
                              file.tensors()[it->second].name, own, it->first);
  }
  std::vector<std::string> known;
  for (const auto& [name, index] : by_name) known.push_back(name);
  for (const WantedTensor& tensor : wanted) {
    const auto found = by_name.find(tensor.name);
    if (found == by_name.end()) {
      if (tensor.required)
        problems += line_of(
            tensor, "the file has no `" + tensor.name + "`" + did_you_mean(tensor.name, known));
      else
        match.missing.push_back(tensor.name);
      continue;
    }
    const std::string problem = misfit(tensor, file.tensors()[found->second]);
    if (!problem.empty()) problems += line_of(tensor, problem);
    match.found.emplace(tensor.name, found->second);
    by_name.erase(found);
  }
  for (const auto& [name, index] : by_name) match.unused.push_back(file.tensors()[index].name);
  if (problems.empty()) return match;
  if (!match.unused.empty()) problems += "\n  not used of the file: " + list_some(match.unused);
  throw UserError(file.path() + " does not fit " + whose + ":" + problems +
                  "\n  names, types and shapes must be equal; names of the file are mapped by "
                  "--rename 'FROM=TO', as in --rename 'layer.*.weight=w*'");
}

}  // namespace tessera
