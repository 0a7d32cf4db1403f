#include "codegen/nest_price.h"

#include <vector>

#include "codegen/nest_lines.h"
#include "codegen/nest_work.h"
#include "codegen/work_prices.h"

namespace tessera {
namespace {

// Cycles of a multiply-add that a line takes from another cache and from memory.
constexpr double kNearLine = 13, kFarLine = 33;

}  // namespace

double nest_price(const LoopNest& nest, const VectorTarget& target) {
  std::vector<double> extents;
  for (const NestedLoop& loop : nest.loops) extents.push_back(static_cast<double>(loop.extent));
  const WorkAmounts& prices = prices_of(target);
  double compute = 0;
  for (const WorkTerm& term : work_of(nest, target))
    compute += term.count * term.steps(extents) * prices[static_cast<size_t>(term.work)];
  WorkAmounts lines{};
  NestLines(nest).add_to(lines, extents, target);
  double memory = 0;
  for (size_t i = kFirstLine; i < kWorks; ++i)
    memory += lines[i] * prices[i] * (i < kFirstMemoryLine ? kNearLine : kFarLine);
  return computing_and_moving(compute, memory);
}

}  // namespace tessera
