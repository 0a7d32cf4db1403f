#pragma once

#include "codegen/contraction_schedule.h"

namespace tessera {

// What a schedule of a contraction costs, in cycles of one vector multiply-add unit, by which
// schedules are compared.
//
//   a step of k of a tile of 6 rows x 4 vectors: 24 multiply-adds, and something for its 10 loads;
//   of one of 1 x 1: the latency of the unit

// All register tiles over m x n x k. `pair`: cycles of a word of b and one of a.
double tile_cycles(int64_t m, int64_t n, int64_t k, double pair, const ContractionSchedule& s,
                   const VectorTarget& target);

// To pack one place of an operand whose panels, `panel` places wide, run along `side`.
double pack_cycles(const Expr& operand, const ContractionLayout& layout, const IndexLevels& side,
                   const ContractionSchedule& s, int64_t panel, const VectorTarget& target);

// To read all of an operand before it is multiplied, where it comes from beyond the second-level
// cache: while tiles read it in place, that happens beside the multiplications.
double stream_cycles(const Expr& operand, const ContractionLayout& layout,
                     const VectorTarget& target);

// To pack all of a.
double packed_a_cycles(const Contraction& c, const ContractionLayout& layout,
                       const ContractionSchedule& s, const VectorTarget& target);

// To read a where it lies: to pack the rows that meet a pad, which all of them take `packed`
// cycles for, and to get the lines that a panel would not have touched.
double direct_a_cycles(const Contraction& c, const ContractionLayout& layout,
                       const ContractionSchedule& s, const VectorTarget& target, double packed);

// To finish one place: a step for each array that the epilogue reads or writes there, for as many
// lanes as lie side by side.
double finish_cycles(const ContractionGroup& group, const ContractionLayout& layout,
                     const ContractionSchedule& s, const VectorTarget& target);

}  // namespace tessera
