#pragma once

#include <optional>
#include <string>

#include "launcher/config.h"
#include "launcher/find_checkpoint.h"
#include "runtime/executable.h"

namespace tessera {

// A job that goes on from a checkpoint has the same bits as one that was never interrupted, if it
// runs under the same plan; it may run on another number of ranks, or under another plan, with the
// same values to begin with.

// The checkpoint that a config asks for; nothing where it asks for none, or for the newest and
// there is none yet. Together.
std::optional<FoundCheckpoint> find_state(Communicator& world, const Config& config);

// What decides a plan, beside the program: for comparing.
std::string planning_text(const Config& config, int threads);

// The plan of the checkpoint, where a job may go on under it: planning again could, with prices
// measured anew, give another one.
std::optional<Plan> plan_to_keep(const FoundCheckpoint& found, const Program& normal,
                                 const std::string& planning);

// Gives all parameters and states their values. Together.
void load_state(Executable& executable, const FoundCheckpoint& found);

// "going on from step 20 of DIR", and what is not as it was then.
std::string resume_text(const FoundCheckpoint& found, const Executable& executable, uint64_t seed,
                        const std::string& data_content);

}  // namespace tessera
