#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

// The order in which a sum of a product is best computed, found by price. A price is in operations
// of one nest; what is stored and read again costs operations for each byte, more where it is too
// large for the caches, and a nest costs some by itself.

// Sets of loops of the nest, by bit.
using LoopSet = uint32_t;
constexpr size_t kMostLoops = 32;

// A factor, or several that run over the same loops.
struct Operand {
  LoopSet loops = 0;
  double flops = 0;      // to compute it from what is stored
  double reads = 0;      // elements that this reads
  bool divides = false;  // what it is multiplied with is divided by it
};

struct SummedProduct {
  std::vector<Operand> operands;
  std::vector<double> extents;  // of the loops
  LoopSet kept = 0;             // loops of the result; the others are summed
  LoopSet iterated = 0;         // loops that run one iteration at a time, with a call in each
  double element_bytes = 4;
  double call = 0;  // price of a nest by itself, each time that it runs
  // By set of operands, when it is not empty: is what they make there, and costs nothing?
  std::vector<bool> known;
};

// How a product is put together: a leaf is an operand, any other node the product of two. A node
// that is stored is a nest of its own, which sums every loop that nothing beside it needs.
struct ProductNode {
  int operand = -1;
  int left = -1, right = -1;
  bool stored = false;
  bool known = false;  // and stored already
};

struct ContractionOrder {
  std::vector<ProductNode> nodes;  // children first; the last one is the root, which is not stored
  double price = 0;
};

// The cheapest order: among all of them for up to 10 operands; of more, the pairs that are smallest
// together are put together first. With `one_nest`, the cheapest that stores nothing.
//
//   sum[i, j, k](g[i,j,k] * u[a,i] * v[b,j] * w[c,k])   stores  g * u  over a, j, k
//                                                       and     (g * u) * v  over a, b, k
ContractionOrder find_order(const SummedProduct& product, bool one_nest = false);

// Of writing and reading as many bytes.
double storing_price(double bytes);

// Of the nest as it stands, when it is not seen as a product.
double plain_price(const SummedProduct& product, double flops, double reads);

}  // namespace tessera
