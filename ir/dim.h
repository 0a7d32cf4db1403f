#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/source_location.h"

namespace tessera {

// A named index range 0 … extent-1. A Dim is a value, equal by identity: two Dims of the same name
// are different unless one is a copy of the other. Dims have a total order, the order in which
// they were made, which every rank shares because every rank builds the same program.
//
//   Dim batch("batch", 256);  Dim same = batch;  // same == batch
class Dim {
 public:
  Dim(std::string name, int64_t extent,
      const SourceLocation& where = std::source_location::current());

  const std::string& name() const { return node_->name; }
  int64_t extent() const { return node_->extent; }
  const SourceLocation& where() const { return node_->where; }

  bool operator==(const Dim& other) const { return node_ == other.node_; }
  bool operator<(const Dim& other) const { return node_->serial < other.node_->serial; }

 private:
  struct Node {
    std::string name;
    int64_t extent;
    SourceLocation where;
    int64_t serial;
  };
  std::shared_ptr<const Node> node_;
};

// Throws UserError where the name of a dim or tensor, which is `what`, is no UTF-8.
void check_name(const char* what, const std::string& name, const SourceLocation& where);

// A list of distinct dims. Where the order has no meaning it is kept sorted (see `sorted`).
using Dims = std::vector<Dim>;

bool contains(const Dims& dims, const Dim& dim);
// Position of `dim` in `dims`, or -1.
int position(const Dims& dims, const Dim& dim);
Dims sorted(Dims dims);
// Sorted union, difference, intersection.
Dims unite(const Dims& a, const Dims& b);
Dims subtract(const Dims& a, const Dims& b);
Dims intersect(const Dims& a, const Dims& b);
bool same_set(const Dims& a, const Dims& b);
std::vector<int64_t> extents(const Dims& dims);
// Number of points of the box that the dims span; 1 for no dims.
int64_t volume(const Dims& dims);
std::vector<std::string> names(const Dims& dims);
// "batch, y, x", or "no dims".
std::string describe(const Dims& dims);

}  // namespace tessera
