#include "models/normalization.h"

#include <algorithm>

#include "base/error.h"
#include "ir/functions.h"

namespace tessera {

Moments moments(const Dims& over, const Expr& x) {
  const Tensor average = mean(over, x);
  const Tensor centred = x - average;
  return {average, mean(over, centred * centred)};
}

Expr batch_norm(const Expr& x, const Moments& given, const ScaleShift& affine) {
  return (x - given.mean) / sqrt(given.variance + affine.epsilon) * affine.scale + affine.shift;
}

Expr layer_norm(const Dims& over, const Expr& x, const Expr& scale, const Expr& shift,
                double epsilon) {
  return batch_norm(x, moments(over, x), {scale, shift, epsilon});
}

Expr rms_norm(const Dims& over, const Expr& x, const Expr& scale, double epsilon) {
  return x / sqrt(mean(over, x * x) + epsilon) * scale;
}

Expr group_norm(const Dim& channel, const Dims& over, const Expr& x, const Expr& scale,
                const Expr& shift, const GroupNormOptions& options) {
  if (options.groups < 1 || channel.extent() % options.groups != 0)
    throw UserError(channel.where(), std::to_string(options.groups) + " groups do not divide the " +
                                         std::to_string(channel.extent()) + " channels of `" +
                                         channel.name() + "`; choose a divisor");
  const Dim group("group", options.groups);
  const Dim member("member", channel.extent() / options.groups);
  const int size = static_cast<int>(member.extent());
  Dims together = over;
  together.push_back(member);
  const Moments found = moments(together, x.at(channel, size * index(group) + index(member)));
  const Expr own = floordiv(index(channel), size);
  return batch_norm(x, {found.mean.at(group, own), found.variance.at(group, own)},
                    {scale, shift, options.epsilon});
}

Moments running_moments(Program& program, const std::string& name, const Dims& dims, DType type) {
  const auto state = [&](const std::string& full, double start) {
    if (const std::optional<Tensor> known = program.find(full)) return *known;
    return program.state(full, dims, constant(start), type);
  };
  return {state(name + "_mean", 0), state(name + "_variance", 1)};
}

Expr batch_norm_training(Program& program, const std::string& name, const Dims& over, const Expr& x,
                         const ScaleShift& affine, double rate) {
  const Moments batch = moments(over, x);
  const Moments running = running_moments(program, name, batch.mean.dims(), x.type());
  const double count = static_cast<double>(volume(over));
  const double unbiased = count / std::max(count - 1, 1.0);
  program.update(running.mean, (1 - rate) * running.mean + rate * batch.mean);
  program.update(running.variance,
                 (1 - rate) * running.variance + rate * unbiased * batch.variance);
  return batch_norm(x, batch, affine);
}

}  // namespace tessera
