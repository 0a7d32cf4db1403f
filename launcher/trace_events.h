#pragma once

#include <string>

#include "launcher/trace_file.h"

namespace tessera {

// The trace as the JSON that Perfetto (ui.perfetto.dev) and chrome://tracing read: a process for
// each rank, with a track for what the job does, one for computing, on which waits for
// communication stand, too, and one for communicating. Times are in microseconds.
//
//   {"ph":"X","pid":0,"tid":2,"ts":12.5,"dur":1431.1,"name":"h_1+h+guess","cat":"compute",
//    "args":{"step":3,"source":"fit.tess:8:1","predicted_us":1290.4}}
std::string trace_events(const Trace& trace);

}  // namespace tessera
