#include "runtime/allocate.h"

#include <algorithm>
#include <numeric>

namespace tessera {
namespace {

bool all_before(const BufferRequest& a, const BufferRequest& b, const Precedence& precedence) {
  for (int first : a.users)
    for (int second : b.users)
      if (first == second || !precedence.before(first, second)) return false;
  return true;
}

bool may_share(const BufferRequest& a, const BufferRequest& b, const Precedence& precedence) {
  if (a.whole_step || b.whole_step) return false;
  return all_before(a, b, precedence) || all_before(b, a, precedence);
}

size_t rounded(size_t bytes) {
  return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
}

}  // namespace

Allocation allocate(const std::vector<BufferRequest>& requests, const Precedence& precedence) {
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return requests[a].bytes > requests[b].bytes; });
  Allocation result;
  result.offsets.resize(requests.size(), 0);
  std::vector<size_t> placed;
  for (size_t request : order) {
    std::vector<std::pair<size_t, size_t>> taken;  // offset, end
    for (size_t other : placed)
      if (requests[other].bytes > 0 && !may_share(requests[request], requests[other], precedence))
        taken.emplace_back(result.offsets[other],
                           result.offsets[other] + rounded(requests[other].bytes));
    std::sort(taken.begin(), taken.end());
    const size_t bytes = rounded(requests[request].bytes);
    size_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + bytes <= begin) break;
      offset = std::max(offset, end);
    }
    result.offsets[request] = offset;
    result.bytes = std::max(result.bytes, offset + bytes);
    placed.push_back(request);
  }
  return result;
}

}  // namespace tessera
