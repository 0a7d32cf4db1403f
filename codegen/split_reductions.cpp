#include "codegen/split_reductions.h"

#include <algorithm>
#include <set>

#include "codegen/group_graph.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr int64_t kFew = 16;  // times fewer points than elements

bool reads_few_of(const Nest& nest, const Tensor& tensor, double large) {
  return bytes_of(tensor) >= large && volume(nest.loops()) <= volume(tensor.dims()) / kFew;
}

}  // namespace

std::vector<Nest> split_reductions(const std::vector<Nest>& nests, double large) {
  std::set<Tensor> written;
  std::vector<Nest> result;
  for (const Nest& nest : nests) {
    const std::vector<Tensor> read = tensors_read(nest.body);
    const bool few = std::any_of(read.begin(), read.end(), [&](const Tensor& tensor) {
      return written.count(tensor) != 0 && reads_few_of(nest, tensor, large);
    });
    written.insert(nest.out);
    if (!nest.op || !few || find_scatter(nest) || find_scan(nest)) {
      result.push_back(nest);
      continue;
    }
    const Tensor terms = make_undivided(nest.out.name() + "_terms", nest.body, nest.out.where());
    result.push_back({terms, {}, {}, nest.body});
    result.push_back({nest.out, nest.op, nest.reduced, make_read(terms)});
  }
  return result;
}

}  // namespace tessera
