#include "codegen/kernel_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "codegen/fault.h"
#include "codegen/kernel.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Numbers dims, tensors and nodes in order of appearance and writes a line for each.
class CanonicalText {
 public:
  std::string write(const KernelGroup& group) {
    for (const Tensor& tensor : group.inputs) text_ += "in " + name(tensor) + "\n";
    for (const Nest& nest : group.nests) {
      const std::string body = name(nest.body);
      std::string line = name(nest.out) + " = " + (nest.op ? name_of(*nest.op) : "map");
      for (const Dim& dim : nest.reduced) line += " " + name(dim);
      text_ += line + " : " + body + "\n";
    }
    for (const Tensor& tensor : group.outputs)
      text_ += (group.past_caches.count(tensor) != 0 ? "past " : "out ") + name(tensor) + "\n";
    return std::move(text_);
  }

 private:
  std::string name(const Dim& dim) {
    const auto [it, added] = dims_.emplace(dim, dims_.size());
    return added ? fmt::format("d{}={}", it->second, dim.extent()) : fmt::format("d{}", it->second);
  }

  std::string name(const Tensor& tensor) {
    const auto [it, added] = tensors_.emplace(tensor.id(), tensors_.size());
    std::string text = fmt::format("t{}", it->second);
    if (!added) return text;
    text += std::string(":") + name_of(tensor.type()) + "[";
    for (const Dim& dim : tensor.dims()) text += " " + name(dim);
    for (int64_t stride : tensor.id()->strides) text += fmt::format(" *{}", stride);
    return text + " ]";
  }

  std::string name(const Expr& expr) {
    if (const IndexOf* index = as<IndexOf>(expr)) return name(index->dim);
    const auto it = nodes_.find(&expr.node());
    if (it != nodes_.end()) return fmt::format("%{}", it->second);
    std::string line = std::string(name_of(expr.type()));
    if (const Constant* constant = as<Constant>(expr)) {
      // Bits, so that every NaN, -0 and digit counts.
      line += fmt::format(" const {:x}", static_cast<uint64_t>(constant->value.i));
    } else if (const Read* read = as<Read>(expr)) {
      line += " read " + name(read->tensor);
      for (const Index& index : read->indices)
        line += " " + name(index.value) + (index.padded ? "?" : "");
      if (read->pad) line += fmt::format(" pad {:x}", static_cast<uint64_t>(read->pad->i));
    } else if (const Apply* apply = as<Apply>(expr)) {
      line += std::string(" ") + info(apply->fn).name;
      for (const Expr& arg : apply->args) line += " " + name(arg);
    } else {
      TESSERA_CHECK(false) << "a nest holds scalar formulas only";
    }
    const size_t number = nodes_.size();
    nodes_.emplace(&expr.node(), number);
    text_ += fmt::format("%{} = {}\n", number, line);
    return fmt::format("%{}", number);
  }

  std::string text_;
  std::map<Dim, size_t> dims_;
  std::unordered_map<const TensorNode*, size_t> tensors_;
  std::unordered_map<const ExprNode*, size_t> nodes_;
};

bool contains(const std::vector<Tensor>& tensors, const Tensor& tensor) {
  return std::find(tensors.begin(), tensors.end(), tensor) != tensors.end();
}

}  // namespace

bool KernelGroup::operator==(const KernelGroup& other) const {
  if (nests.size() != other.nests.size() || inputs != other.inputs || outputs != other.outputs ||
      past_caches != other.past_caches)
    return false;
  for (size_t i = 0; i < nests.size(); ++i) {
    const Nest& a = nests[i];
    const Nest& b = other.nests[i];
    if (!(a.out == b.out) || a.op != b.op || a.reduced != b.reduced || !equivalent(a.body, b.body))
      return false;
  }
  return true;
}

KernelGroup make_group(std::vector<Nest> nests, const std::set<Tensor>& needed_outside) {
  KernelGroup group;
  std::set<Tensor> written;
  for (const Nest& nest : nests) {
    for (const Tensor& tensor : tensors_read(nest.body))
      if (written.count(tensor) == 0 && !contains(group.inputs, tensor))
        group.inputs.push_back(tensor);
    written.insert(nest.out);
    if (needed_outside.count(nest.out) != 0) group.outputs.push_back(nest.out);
  }
  group.nests = std::move(nests);
  return group;
}

std::string canonical_text(const KernelGroup& group) {
  return CanonicalText().write(group);
}

std::string describe(const KernelGroup& group) {
  std::string text;
  for (const Nest& nest : group.nests)
    text += (contains(group.outputs, nest.out) ? "  " : "  (private) ") + describe(nest) + "\n";
  return text;
}

double flops_of(const KernelGroup& group) {
  double total = 0;
  for (const Nest& nest : group.nests) total += flops_of(nest);
  return total;
}

double bytes_of(const KernelGroup& group) {
  double total = 0;
  for (const std::vector<Tensor>* tensors : {&group.inputs, &group.outputs})
    for (const Tensor& tensor : *tensors)
      total +=
          static_cast<double>(volume(tensor.dims())) * static_cast<double>(size_of(tensor.type()));
  return total;
}

std::string describe_fault(const Kernel& kernel, int64_t fault) {
  return describe_fault(kernel.faults, fault);
}

}  // namespace tessera
