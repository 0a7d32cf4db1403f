#pragma once

#include <functional>

#include "ir/index_range.h"

namespace tessera {

// Bounds of an integer expression while each dim runs through a part of its extent only: exact for
// affine forms, an enclosure otherwise. Nothing where index_range has none.
//
//   y // 2 - 1 for y in 8 … 15:  3 … 6
std::optional<IndexRange> index_range(const Expr& index,
                                      const std::function<IndexRange(const Dim&)>& part);

// May an equality of integers hold somewhere in these parts? True where nothing is known of it.
bool may_be_equal(const Expr& left, const Expr& right,
                  const std::function<IndexRange(const Dim&)>& part);

}  // namespace tessera
