#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "ir/expr.h"

namespace tessera {

// sum of coefficient * dim, plus a constant. Coefficients are never 0.
//   2*oy + ky - 1  ==  {{oy: 2, ky: 1}, -1}
struct Affine {
  std::map<Dim, int64_t> terms;
  int64_t constant = 0;

  bool operator==(const Affine&) const = default;
  // Exactly one term with coefficient 1 and no constant: the index is that dim itself.
  std::optional<Dim> plain() const;
};

// Inclusive bounds of a value.
struct IndexRange {
  int64_t low = 0;
  int64_t high = 0;
};

// What is known of a node's value. It is found from the children's when the node is made, so that
// asking costs nothing however often a formula uses its parts.
struct IndexFacts {
  std::optional<Affine> affine;
  std::optional<IndexRange> range;
  std::optional<IndexRange> too_wide;  // of some i32 operation in it that leaves i32
};
// Of a node whose children are made; null where nothing is known.
std::shared_ptr<const IndexFacts> find_index_facts(const ExprNode& node);

// The affine form of an integer expression, or nothing when it reads a tensor, divides, compares
// or multiplies dims.
std::optional<Affine> affine_form(const Expr& index);
Expr to_expr(const Affine& affine, const SourceLocation& where = {});

// Inclusive bounds of an integer expression over the whole extents of its dims; nothing when it is
// empty, or as wide as a tensor's values. Exact for affine forms, an enclosure otherwise: that of
// `token % 11` is 0 to 10.
std::optional<IndexRange> index_range(const Expr& index);

// Throws UserError when `index` is known to leave 0 … dim.extent()-1.
void check_in_range(const Expr& index, const Dim& dim, const SourceLocation& where);

}  // namespace tessera
