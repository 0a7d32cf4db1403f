#include "ir/dim.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/utf8.h"

namespace tessera {
namespace {

// Only the order of the numbers matters, never their values.
std::atomic<int64_t> next_serial{0};

}  // namespace

void check_name(const char* what, const std::string& name, const SourceLocation& where) {
  const size_t bad = first_not_utf8(name);
  if (bad == std::string::npos) return;
  throw UserError(where, std::string("the name of a ") + what + ", `" + name.substr(0, bad) +
                             "…`, is no UTF-8 from its byte " + std::to_string(bad + 1) +
                             " on; write names in UTF-8");
}

Dim::Dim(std::string name, int64_t extent, const SourceLocation& where) {
  check_name("dim", name, where);
  if (extent < 0)
    throw UserError(where, "dim `" + name + "` has extent " + std::to_string(extent) +
                               "; an extent is 0 or more");
  if (extent > INT32_MAX)
    throw UserError(where, "dim `" + name + "` has extent " + std::to_string(extent) +
                               "; the largest extent is " + std::to_string(INT32_MAX) +
                               ": split it into two dims");
  node_ = std::make_shared<const Node>(Node{std::move(name), extent, where, next_serial++});
}

bool contains(const Dims& dims, const Dim& dim) {
  return position(dims, dim) >= 0;
}

int position(const Dims& dims, const Dim& dim) {
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] == dim) return static_cast<int>(i);
  return -1;
}

Dims sorted(Dims dims) {
  std::sort(dims.begin(), dims.end());
  return dims;
}

Dims unite(const Dims& a, const Dims& b) {
  Dims result = a;
  for (const Dim& dim : b)
    if (!contains(result, dim)) result.push_back(dim);
  return sorted(std::move(result));
}

Dims subtract(const Dims& a, const Dims& b) {
  Dims result;
  for (const Dim& dim : a)
    if (!contains(b, dim)) result.push_back(dim);
  return sorted(std::move(result));
}

Dims intersect(const Dims& a, const Dims& b) {
  Dims result;
  for (const Dim& dim : a)
    if (contains(b, dim)) result.push_back(dim);
  return sorted(std::move(result));
}

bool same_set(const Dims& a, const Dims& b) {
  return sorted(a) == sorted(b);
}

std::vector<int64_t> extents(const Dims& dims) {
  std::vector<int64_t> result;
  for (const Dim& dim : dims) result.push_back(dim.extent());
  return result;
}

int64_t volume(const Dims& dims) {
  int64_t count = 1;
  for (const Dim& dim : dims) count *= dim.extent();
  return count;
}

std::vector<std::string> names(const Dims& dims) {
  std::vector<std::string> result;
  for (const Dim& dim : dims) result.push_back(dim.name());
  return result;
}

std::string describe(const Dims& dims) {
  return dims.empty() ? "no dims" : join(names(dims));
}

}  // namespace tessera
