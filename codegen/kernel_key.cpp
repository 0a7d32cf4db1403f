#include "codegen/kernel_key.h"

#include "base/hash.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

// Some index is known only when it is read, so that a fault may have to be described.
bool may_fault(const KernelGroup& group) {
  for (const Nest& nest : group.nests)
    for (const Expr& node : reads_of(nest))
      for (const Index& index : as<Read>(node)->indices)
        if (!index.padded && !affine_form(index.value) && !index_range(index.value)) return true;
  return false;
}

}  // namespace

std::string key_text(const KernelGroup& group) {
  std::string text = canonical_text(group);
  if (may_fault(group))
    for (const Nest& nest : group.nests)
      text += nest.out.where().str() + " " + describe(nest) + "\n";
  return text;
}

std::string key_of_text(const std::string& text) {
  return hex(hash_bytes(text, 0)) + hex(hash_bytes(text, 1));
}

}  // namespace tessera
