#pragma once

#include <string>

#include "comm/communicator.h"

namespace tessera {

// Compares a text across the ranks of `world` by its hash. Where it differs, every rank throws
// CommError with the ranks at odds and the first line in which they differ from rank 0: better now
// than a collective that waits for ever.
void require_agreement(Communicator& world, const std::string& text);

}  // namespace tessera
