#include "runtime/agree.h"

#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace tessera {
namespace {

std::string line_of(std::istringstream& stream) {
  std::string line;
  return std::getline(stream, line) ? line : "(nothing more)";
}

// "line 3: rank 0 has `…`, rank 1 has `…`"
std::string first_difference(const std::string& first, const std::string& other, int rank) {
  std::istringstream a(first);
  std::istringstream b(other);
  for (int number = 1;; ++number) {
    const std::string x = line_of(a);
    const std::string y = line_of(b);
    if (x != y || (a.eof() && b.eof()))
      return "line " + std::to_string(number) + ": rank 0 has `" + x + "`, rank " +
             std::to_string(rank) + " has `" + y + "`";
  }
}

}  // namespace

void require_agreement(Communicator& world, const std::string& text) {
  world.set_context("comparing the task graphs before the first step");
  const auto mine = static_cast<int64_t>(hash_bytes(text));
  const std::vector<size_t> counts(static_cast<size_t>(world.size()), 1);
  std::vector<int64_t> all(counts.size());
  world.all_gather(&mine, all.data(), counts, DType::i64);
  std::vector<std::string> different;
  int odd = -1;
  for (size_t r = 0; r < all.size(); ++r) {
    if (all[r] == all[0]) continue;
    different.push_back(std::to_string(r));
    if (odd < 0) odd = static_cast<int>(r);
  }
  if (odd < 0) return;
  std::string texts[2];
  for (int k = 0; k < 2; ++k) {
    const int root = k == 0 ? 0 : odd;
    int64_t bytes = static_cast<int64_t>(text.size());
    world.broadcast(&bytes, sizeof bytes, root);
    texts[k] = world.rank() == root ? text : std::string(static_cast<size_t>(bytes), '\0');
    world.broadcast(texts[k].data(), texts[k].size(), root);
  }
  throw CommError("the ranks do not agree about the task graph: " + join(different) +
                  " differ from rank 0; " + first_difference(texts[0], texts[1], odd) +
                  ". All ranks must run the same program, plan and version of tessera");
}

}  // namespace tessera
