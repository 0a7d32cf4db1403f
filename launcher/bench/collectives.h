#pragma once

#include <string>
#include <vector>

#include "comm/call.h"
#include "comm/communicator.h"
#include "launcher/bench/run_suite.h"

namespace tessera {

// One collective of one size. The bytes are those of the whole vector: what a rank sends to a
// reduction, a broadcast or an all-to-all, and what it has after an all-gather.
struct CollectiveRow {
  CallKind kind = CallKind::all_reduce;
  size_t bytes = 0;

  std::string name() const;  // "all-reduce f32 64 MiB"
};

// Every collective from 4 bytes to `most`, in steps of 4 and 16 times, whose blocks of f32 are not
// empty with so many ranks; only those whose name holds `filter`. UserError when there is none.
std::vector<CollectiveRow> collective_rows(int ranks, size_t most, const std::string& filter);

// Runs each row through `world` and through MPI's own calls, in turns, for about `seconds` each, on
// vectors in memory of the kind that programs have for their tensors (Communicator::share). A
// row in which the two differ says so in `problem`. Every rank calls it, under MPI; `done` is told
// after each row.
SuiteResult measure_collectives(Communicator& world, const std::vector<CollectiveRow>& rows,
                                double seconds, const std::function<void(size_t)>& done);

}  // namespace tessera
