#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

// Which tasks surely end before which others start: the transitive closure of a task graph's edges.
// Tasks are numbered so that every edge goes from a lower to a higher number.
//
//   Precedence p({{}, {0}, {1}});   // task 1 depends on 0, task 2 on 1
//   p.before(0, 2) == true
class Precedence {
 public:
  // depends[t]: the tasks that t waits for, all below t.
  explicit Precedence(const std::vector<std::vector<int>>& depends);

  bool before(int first, int second) const;

 private:
  size_t words_;
  std::vector<uint64_t> ancestors_;  // a row of bits for each task
};

}  // namespace tessera
