#pragma once

#include <string>

#include "launcher/report/run_summary.h"

namespace tessera {

// A run as one page of HTML that needs nothing else: no script, no font, no address. Loss and other
// metrics, throughput, memory, the plan, what tasks were expected to take beside what they took,
// where ranks waited if the run recorded a trace, the host, the config.
std::string report_page(const RunSummary& run);

}  // namespace tessera
