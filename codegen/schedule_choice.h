#pragma once

#include <optional>
#include <string>
#include <variant>

#include "codegen/blocked_group.h"
#include "codegen/contraction_schedule.h"
#include "codegen/schedule.h"

namespace tessera {

// How one kernel is built: as a tiled contraction, as a general loop nest, or block by block. Loops
// are numbered as lower() numbers them, so that a choice holds for every group with the same
// canonical text.
using ScheduleChoice = std::variant<TileChoice, LoopChoice, BlockChoice>;

// One line, and back; nothing for text that print() does not write.
//
//   tile 0 8 3 192 1024 384 0 0             swapped, rows, vectors, blocks, operands in place
//   loops 0 1 16 2 0 1 1 1 16 0 1 2         grain, lane, lanes, loops, stages
//   blocks 2 1 64                           how many walks, the block of each
std::string print(const ScheduleChoice& choice);
std::optional<ScheduleChoice> parse_schedule(const std::string& text);

}  // namespace tessera
