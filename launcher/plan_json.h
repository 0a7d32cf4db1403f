#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "placement/optimize.h"
#include "placement/plan_facts.h"

namespace tessera {

// What `tessera plan --json` prints. Times of parts are in seconds; those of old keys in ms.
//
//   {"time_ms": 167.2, "gap": 0, …, "communication": [{"kind": "all-reduce", "tensor": "d_w",
//    "from": {"name": "d_w", "where": "fit.tess:12"}, "to": […], "why": "…"}], "alternatives": […]}
nlohmann::json plan_json(const PlanFacts& facts, const std::vector<Alternative>& alternatives);

// {"fits": false, "smallest_peak_bytes": …, "mesh": …, "at": …, "holdings": […], "devices": 8}
nlohmann::json no_plan_json(const NoPlanFits& error);

// {"a": {…}, "b": {…}, "differences": [{"what": "nest h_1", "a": …, "b": …, "seconds": 0.0012}]}
nlohmann::json differences_json(const Plan& a, const Plan& b,
                                const std::vector<PlanDifference>& differences);

}  // namespace tessera
