#pragma once

#include <map>
#include <set>
#include <string>

#include "ir/program.h"

namespace tessera {

// What each dim is called in the text form. Dims and tensors share one set of names there, so a dim
// whose name an earlier dim or a tensor has is called k_2, k_3, …
std::map<Dim, std::string> names_in_text(const Dims& dims, const std::set<std::string>& taken);
std::map<Dim, std::string> names_in_text(const Program& program);

// The dim of `pin` in `tensor`, or the pin's own word when the tensor has no such dim.
std::string pinned_dim(const Program& program, const Pin& pin,
                       const std::map<Dim, std::string>& dim_names);

// The name as the text form writes it: in backquotes when it has a meaning of its own (`sum`) or
// other characters than letters, digits and `_`.
std::string quoted(const std::string& name);

}  // namespace tessera
