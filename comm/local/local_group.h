#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/communicator.h"

namespace tessera {

// A world whose ranks are threads of this process: element r belongs to the thread that plays
// rank r. Ranks read each other's buffers directly. Destroying an element tells the others that
// its rank left.
std::vector<std::unique_ptr<Communicator>> make_local_group(int ranks, CommOptions options = {});

// Runs work(communicator) on one thread per rank and waits for all. The exception of the rank that
// failed first is thrown again; the others were told to stop by fail().
//
//   run_local_ranks(4, {}, [&](Communicator& comm) { train(comm); });
void run_local_ranks(int ranks, const CommOptions& options,
                     const std::function<void(Communicator&)>& work);

}  // namespace tessera
