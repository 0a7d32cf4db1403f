#pragma once

namespace tessera {

// Seconds that the calling thread has computed or waited for memory. While others have its core the
// clock stands still, so a rate by it is the same on a busy machine:
//
//   const double start = thread_seconds();
//   work();
//   const double rate = bytes / (thread_seconds() - start);
double thread_seconds();

}  // namespace tessera
