#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "ir/program.h"
#include "partition/plan.h"

namespace tessera {

// What a rank says about one thing that all ranks must have in common, line by line.
struct RankStatement {
  std::string subject;  // "the program"
  std::string text;
};

RankStatement statement_of(const Program& program);
RankStatement statement_of(const Plan& plan);  // its decisions

// Compares what `make` states across the ranks of `world` by a hash of it all. Where it differs,
// every rank throws CommError with the ranks at odds, the first subject that differs and the first
// line of it: better now than a collective that waits for ever, or a result that is nobody's.
// A rank that is alone states nothing. Together.
//
//   require_agreement(world, [&] { return std::vector{statement_of(program)}; });
void require_agreement(Communicator& world,
                       const std::function<std::vector<RankStatement>()>& make);

}  // namespace tessera
