#pragma once

#include <cstddef>

namespace tessera {

// Whether what `ranks` ranks of a machine write, a vector of so many bytes each, is too much for
// caches to keep it until somebody reads it: more than a quarter of the last one.
//
//   past_caches(5 << 20, 2)   // true where the last cache has 36 MiB, false where it has 64 MiB
bool past_caches(size_t bytes, int ranks);

// Copies unless the data is there already. `past`: around the caches, so that lines that are
// written whole are not read from memory first; what was copied so is seen by others after
// end_of_copies().
void copy_on(void* to, const void* from, size_t bytes, bool past);
void end_of_copies();

}  // namespace tessera
