#include "codegen/llvm/gpu/role_index.h"

#include <algorithm>

#include "base/error.h"

namespace tessera {
namespace {

// The digit of `count` dims from `first` on.
llvm::Value* digit(llvm::IRBuilderBase& b, const RoleIndex& role, size_t first, size_t count) {
  const Dims& dims = *role.dims;
  int64_t below = 1, own = 1;
  for (size_t i = first + count; i < dims.size(); ++i) below *= dims[i].extent();
  for (size_t i = first; i < first + count; ++i) own *= dims[i].extent();
  llvm::Value* value = role.index;
  if (below > 1) value = b.CreateUDiv(value, b.getInt32(static_cast<uint32_t>(below)));
  if (first > 0) value = b.CreateURem(value, b.getInt32(static_cast<uint32_t>(own)));
  return value;
}

// How many of `dims` from `at` on lie in the role as they do here, and where.
size_t run_in(const Dims& dims, size_t at, const Dims& role, size_t& first) {
  const auto found = std::find(role.begin(), role.end(), dims[at]);
  if (found == role.end()) return 0;
  first = static_cast<size_t>(found - role.begin());
  size_t count = 0;
  while (at + count < dims.size() && first + count < role.size() &&
         dims[at + count] == role[first + count])
    ++count;
  return count;
}

llvm::Value* index_of(llvm::IRBuilderBase& b, const Dims& all,
                      const std::vector<RoleIndex>& roles) {
  Dims dims = all;
  std::erase_if(dims, [](const Dim& dim) { return dim.extent() == 1; });
  llvm::Value* sum = nullptr;
  for (size_t at = 0; at < dims.size();) {
    size_t first = 0, count = 0;
    const RoleIndex* role = nullptr;
    for (const RoleIndex& each : roles)
      if (const size_t run = run_in(dims, at, *each.dims, first); run > 0) {
        count = run;
        role = &each;
        break;
      }
    TESSERA_CHECK(role != nullptr) << dims[at].name();
    llvm::Value* value = digit(b, *role, first, count);
    int64_t extent = 1;
    for (size_t i = at; i < at + count; ++i) extent *= dims[i].extent();
    if (sum != nullptr)
      value = b.CreateAdd(b.CreateMul(sum, b.getInt32(static_cast<uint32_t>(extent))), value);
    sum = value;
    at += count;
  }
  return sum == nullptr ? b.getInt32(0) : sum;
}

}  // namespace

void bind_roles(llvm::IRBuilderBase& b, ValueEmitter& values, const LoopNest& nest,
                const std::vector<RoleIndex>& roles) {
  for (size_t i = 0; i < nest.loops.size(); ++i)
    values.bind(static_cast<int>(i),
                b.CreateZExt(index_of(b, nest.loops[i].dims, roles), b.getInt64Ty()));
}

}  // namespace tessera
