#include "runtime/locate_fault.h"

#include <algorithm>

#include "ir/element.h"
#include "ir/interpret.h"
#include "ir/nest.h"
#include "ir/print.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr std::string_view kWhere = " where it reads `";

// The reads that are made at every point of the loops.
void collect(const Expr& expr, std::vector<Expr>& found) {
  if (as<Read>(expr) != nullptr) found.push_back(expr);
  const Apply* apply = as<Apply>(expr);
  if (apply != nullptr && apply->fn == Fn::where) return collect(apply->args[0], found);
  for (const Expr& child : children(expr)) collect(child, found);
}

// The arrays that an index reads, or nothing when some are computed or not given.
std::optional<std::map<Tensor, const Array*>> arrays_of(
    const Expr& index, const std::function<const Array*(const Tensor&)>& given) {
  std::map<Tensor, const Array*> arrays;
  for (const Tensor& tensor : tensors_read(index)) {
    if (tensor.role() == Role::definition || tensor.role() == Role::carried) return std::nullopt;
    const Array* array = given(tensor);
    if (array == nullptr) return std::nullopt;
    arrays.emplace(tensor, array);
  }
  return arrays;
}

std::string element(const Dims& dims, int64_t number) {
  std::string text;
  for (size_t d = dims.size(); d-- > 0;) {
    const int64_t extent = dims[d].extent();
    text = ", " + dims[d].name() + " = " + std::to_string(number % extent) + text;
    number /= extent;
  }
  return text;
}

// Where the index has the value that the fault names.
std::optional<std::string> place_of(const std::string& fault, const Expr& read_expr, size_t dim,
                                    const std::function<const Array*(const Tensor&)>& given) {
  const Read& read = *as<Read>(read_expr);
  const Expr& index = read.indices[dim].value;
  const std::string begin = "the index `" + print(index) + "` is ";
  const size_t at = fault.find(begin);
  const size_t end = fault.find(kWhere);
  if (at == std::string::npos || end == std::string::npos || end < at) return std::nullopt;
  const auto arrays = arrays_of(index, given);
  if (!arrays) return std::nullopt;
  const std::string wanted = fault.substr(at + begin.size(), end - at - begin.size());
  const Dims dims = index.dims();
  const Array values = evaluate(
      index, dims, [&](const Tensor& tensor) -> const Array& { return *arrays->at(tensor); });
  for (size_t i = 0; i < values.size(); ++i)
    if (std::to_string(load(values, i).i) == wanted) return element(dims, static_cast<int64_t>(i));
  return std::nullopt;
}

}  // namespace

std::string with_element(const std::string& fault, const Program& normal,
                         const std::function<const Array*(const Tensor&)>& given) {
  const size_t end = fault.find(kWhere);
  for (const Tensor& tensor : normal.tensors()) {
    if (tensor.role() != Role::definition) continue;
    std::vector<Expr> reads;
    collect(nest_of(tensor).body, reads);
    for (const Expr& expr : reads)
      for (size_t d = 0; d < as<Read>(expr)->indices.size(); ++d) {
        const Index& index = as<Read>(expr)->indices[d];
        if (index.padded || tensors_read(index.value).empty()) continue;
        const auto place = place_of(fault, expr, d, given);
        if (!place || place->empty()) continue;
        return fault.substr(0, end) + ", at" + place->substr(1) + "," + fault.substr(end);
      }
  }
  return fault;
}

}  // namespace tessera
