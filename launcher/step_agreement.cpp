#include "launcher/step_agreement.h"

#include <algorithm>
#include <array>

namespace tessera {

StepNote StepAgreement::exchange(int64_t step, double seconds, const StepNote& mine) {
  constexpr double kPeriod = 0.1;
  constexpr int64_t kNanoseconds = 1'000'000'000;
  const std::array<int64_t, 4> said = {mine.signal, mine.at_work, mine.due,
                                       static_cast<int64_t>(seconds * kNanoseconds)};
  std::array<int64_t, 4> all{};
  world_.set_context("agreeing about checkpoints");
  world_.all_reduce(said.data(), all.data(), all.size(), DType::i64, ReduceOp::max);
  const double slowest = static_cast<double>(std::max<int64_t>(1, all[3])) / kNanoseconds;
  next_ = step + std::max<int64_t>(1, static_cast<int64_t>(kPeriod / slowest));
  return {static_cast<int>(all[0]), all[1] != 0, all[2] != 0};
}

}  // namespace tessera
