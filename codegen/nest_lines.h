#pragma once

#include <span>
#include <vector>

#include "codegen/loop_nest.h"
#include "codegen/vector_target.h"
#include "codegen/work.h"

namespace tessera {

// Which lines of memory a scheduled nest brings into each cache. The loops that fit a cache with
// all that they touch, and the one around them, bring each line once; each step of the others
// brings it again.
//
//   c[m, n] = sum[k](a[m, k] * b[k, n]), loops m, n, k, lanes along n: b comes once for each m,
//   unless all of b fits, and a once
class NestLines {
 public:
  NestLines() = default;
  explicit NestLines(const LoopNest& nest);

  // Adds the lines of one run with other extents than those of the nest. Of a nest that fits the
  // cache none: it ran before.
  void add_to(WorkAmounts& amounts, std::span<const double> extents,
              const VectorTarget& target) const;

 private:
  struct Term {
    int position;   // among the loops of its stage
    double stride;  // bytes
  };
  // An array as a stage reads or writes it.
  struct Walk {
    size_t stage = 0;
    double element = 4;       // bytes
    double whole = 0;         // bytes of the buffer
    std::vector<Term> terms;  // the smallest stride first
    std::vector<int> data;    // positions of loops that choose a place through data
    bool written = false;
  };
  struct Span {
    double lines = 0;
    double run = 0;  // bytes side by side
  };

  Walk walk_of(const LoopNest& nest, size_t stage, const Address& address) const;
  // What the loops from `depth` inwards touch.
  static Span span_of(const Walk& walk, const double* trips, int depth);

  std::vector<std::vector<int>> orders_;  // the loops of each stage, outermost first
  std::vector<Walk> walks_;
};

}  // namespace tessera
