#pragma once

#include <cstddef>

#include "comm/communicator.h"
#include "partition/sharded_program.h"

namespace tessera {

class DeviceStream;

// A collective joins or splits blocks along one dim, while a transport moves contiguous blocks.
// Where the dim is not the outermost, blocks are packed and unpacked in a staging buffer.
//
//   all-gather of a[row: 2, col: 3 of 6] along col: received as [member][row][3], unpacked to
//   [row][6]
//
// Pieces of a halo are packed by member. Those of more than two ranks go to the ranks beside this
// one and to nobody else; all other exchanges are calls of the whole group.

// Bytes of the staging buffer; 0 when blocks are contiguous as they are.
size_t staging_bytes(const CommStep& step);

// Runs the collective on the rank's buffers, which are where `group` takes them, in the order of
// `stream`. `staging` has staging_bytes(step) bytes.
void run_collective(const CommStep& step, Communicator& group, DeviceStream& stream,
                    const std::byte* input, std::byte* output, std::byte* staging);

}  // namespace tessera
