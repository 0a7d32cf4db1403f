#pragma once

#include <map>
#include <string>
#include <vector>

#include "storage/rename.h"
#include "storage/tensor_file.h"

namespace tessera {

// A tensor that is to take its values from a file.
struct WantedTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> shape;
  bool required = true;
  std::string where;  // of its declaration, for messages; or empty
};

struct TensorMatch {
  std::map<std::string, size_t> found;  // wanted name -> its number in the file
  std::vector<std::string> missing;     // wanted, not required, and not in the file
  std::vector<std::string> unused;      // names in the file, as they are there
};

// Finds `wanted` in `file` by name, after `rules`. Types and shapes must be equal. Throws one
// UserError that lists everything that does not fit:
//
//   w.npz does not fit program `fit`:
//     `w` (fit.tess:5:1) takes f32[8, 32]; the file has f32[32, 8], its transpose
//     `v` (fit.tess:6:1) takes f32[32]; the file has no `v`
//     not used of the file: fc.weight
//   …
TensorMatch match_tensors(const TensorFile& file, const std::vector<WantedTensor>& wanted,
                          const std::vector<RenameRule>& rules, const std::string& whose);

// "3 tensors, a, b and c", or the first of very many.
std::string list_some(const std::vector<std::string>& names);

}  // namespace tessera
