#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "comm/communicator.h"

namespace tessera {

// Runs `work` on every rank and returns when all ranks have done theirs. A rank that is still at
// work says so after every `sign`, so the timeout of waits counts from its last sign of life, and
// not from when the work began: planning and compiling may take as long as they need. An exception
// of this rank's work is thrown at once. `work` must not use the communicator; it runs on a thread
// of its own unless the rank is alone. Together.
//
//   work_together(world, "planning", [&] { if (world.rank() == 0) plan = make_plan(…); });
void work_together(Communicator& world, const std::string& what, const std::function<void()>& work,
                   std::chrono::milliseconds sign = std::chrono::milliseconds(250));

}  // namespace tessera
