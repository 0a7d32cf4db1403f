#pragma once

#include <string>
#include <vector>

#include "placement/optimize.h"
#include "placement/plan_facts.h"

namespace tessera {

// A plan as one page of HTML that needs nothing else: no script, no font, no address. The mesh,
// where each tensor lives and why, the predicted step on both streams of the first device, what it
// holds over that time, why it communicates, and what else was looked at.
std::string plan_page(const PlanFacts& facts, const std::vector<Alternative>& alternatives);

}  // namespace tessera
