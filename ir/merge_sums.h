#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "ir/order_sum.h"
#include "ir/program.h"

namespace tessera {

// One sum of a product for several that stand in one another.
struct MergedSum {
  Expr sum;
  std::vector<Tensor> absorbed;  // definitions whose formulas it holds now, and nothing else reads
};

// The formula of a definition that may be multiplied into a sum.
struct Absorbable {
  Expr value;
  bool kept = false;  // for other readers, so that nothing is saved but reading it
};

// Gives those of definitions that nothing reads but the sum and the definitions that are absorbed
// already, and of maps that are larger than all that they read; nothing for all others.
using Absorb =
    std::function<std::optional<Absorbable>(const Tensor&, const std::vector<Tensor>& absorbed)>;

// Is the value of a definition larger than each tensor that it reads, and no reduction?
bool spreads(const Tensor& definition);

// `sum`, with each factor that is a sum, or reads a definition that may be absorbed and is a
// product or a sum of one, multiplied into it. Nothing where there is no such factor, or no order
// of all of them (order_sum.h) is clearly cheaper than how they stand.
//
//   sum[k](sum[j](a * b) * c)                   becomes   sum[j, k](a * b * c)
//   sum[k](t * c)  with  t = sum[j](a * b)      becomes   sum[j, k](a * b * c)
//   sum[k](t)      with  t[j, k] = a[j] * b[k]  becomes   sum[k](a * b)
std::optional<MergedSum> merge_sums(const Expr& sum, const Absorb& absorb,
                                    const SumSurroundings& surroundings);

// The definitions that are read in one place of one formula, and by nothing else: no output,
// update, gradient or pin.
std::set<Tensor> definitions_read_once(const Program& program);

}  // namespace tessera
