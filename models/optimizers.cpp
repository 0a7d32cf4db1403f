#include "models/optimizers.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "ir/functions.h"

namespace tessera {
namespace {

// What one step does to one parameter.
using UpdateRule = std::function<void(Program&, const Tensor& w, const Expr& gradient)>;

Optimizer for_each_parameter(UpdateRule rule) {
  return
      [rule = std::move(rule)](Program& program, const std::vector<ParameterGradient>& gradients) {
        for (const ParameterGradient& each : gradients)
          rule(program, each.parameter, each.gradient);
      };
}

Tensor state_beside(Program& program, const Tensor& w, const std::string& suffix) {
  return program.state(w.name() + suffix, w.dims(), zeros(), w.type(), w.where());
}

Tensor define_beside(Program& program, const Tensor& w, const std::string& suffix,
                     const Expr& value) {
  return program.define(w.name() + suffix, value, w.where(), w.dims());
}

// beta^step, kept as a state that is multiplied once a step: all parameters share it.
Expr decay_product(Program& program, const std::string& name, double beta, DType type) {
  if (const std::optional<Tensor> known = program.find(name)) return *known * beta;
  const Tensor product = program.state(name, {}, constant(1), type);
  program.update(product, product * beta);
  return product * beta;
}

// What Adam subtracts, before the rate.
Expr adam_direction(Program& program, const Tensor& w, const Expr& gradient,
                    const AdamOptions& options) {
  const Tensor mean = state_beside(program, w, "_mean");
  const Tensor square = state_beside(program, w, "_square");
  const Tensor g = define_beside(program, w, "_gradient", gradient);
  const Tensor next_mean =
      define_beside(program, w, "_mean_next", options.beta1 * mean + (1 - options.beta1) * g);
  const Tensor next_square = define_beside(program, w, "_square_next",
                                           options.beta2 * square + (1 - options.beta2) * g * g);
  program.update(mean, next_mean);
  program.update(square, next_square);
  const std::string suffix = w.type() == DType::f64 ? "_f64" : "";
  const Expr unbiased_mean =
      next_mean / (1 - decay_product(program, "beta1_power" + suffix, options.beta1, w.type()));
  const Expr unbiased_square =
      next_square / (1 - decay_product(program, "beta2_power" + suffix, options.beta2, w.type()));
  return unbiased_mean / (sqrt(unbiased_square) + options.epsilon);
}

}  // namespace

Expr Rate::in(Program& program, DType type) const {
  if (!schedule_) return make_cast(type, rate_);
  const std::string name = "optimizer_step";
  std::optional<Tensor> step = program.find(name);
  if (!step) {
    step = program.state(name, {}, zeros(), DType::i32);
    program.update(*step, *step + 1);
  }
  return schedule_(make_cast(type, *step));
}

Optimizer sgd(const SgdOptions& options) {
  if (options.nesterov && options.momentum == 0)
    throw UserError("sgd: nesterov looks ahead along the momentum, which is 0; set momentum");
  return for_each_parameter([=](Program& program, const Tensor& w, const Expr& gradient) {
    const Expr rate = options.lr.in(program, w.type());
    const Expr g = options.weight_decay == 0 ? gradient : gradient + options.weight_decay * w;
    if (options.momentum == 0) {
      program.update(w, w - rate * g);
      return;
    }
    const Tensor velocity = state_beside(program, w, "_velocity");
    const Tensor next =
        define_beside(program, w, "_velocity_next", options.momentum * velocity + g);
    program.update(velocity, next);
    program.update(w, w - rate * (options.nesterov ? g + options.momentum * next : Expr(next)));
  });
}

Optimizer sgd(double lr, double momentum) {
  return sgd(SgdOptions{.lr = lr, .momentum = momentum});
}

Optimizer adam(const AdamOptions& options) {
  return for_each_parameter([=](Program& program, const Tensor& w, const Expr& gradient) {
    const Expr direction = adam_direction(program, w, gradient, options);
    program.update(w, w - options.lr.in(program, w.type()) * direction);
  });
}

Optimizer adamw(const AdamOptions& options, double weight_decay) {
  return for_each_parameter([=](Program& program, const Tensor& w, const Expr& gradient) {
    const Expr direction = adam_direction(program, w, gradient, options);
    program.update(w, w - options.lr.in(program, w.type()) * (direction + weight_decay * w));
  });
}

Optimizer clip_by_global_norm(double largest, Optimizer optimizer) {
  return [largest, optimizer = std::move(optimizer)](
             Program& program, const std::vector<ParameterGradient>& gradients) {
    std::vector<ParameterGradient> clipped;
    Expr total = make_cast(gradients.at(0).parameter.type(), 0);
    for (const ParameterGradient& each : gradients) {
      const Tensor& w = each.parameter;
      if (w.type() != gradients[0].parameter.type())
        throw UserError(w.where(),
                        "clip_by_global_norm: `" + w.name() + "` is " + name_of(w.type()) +
                            " and `" + gradients[0].parameter.name() + "` is " +
                            name_of(gradients[0].parameter.type()) + "; their norm needs one type");
      const Tensor g = define_beside(program, w, "_raw_gradient", each.gradient);
      total = total + (w.dims().empty() ? g * g : sum(w.dims(), g * g));
      clipped.push_back({w, g});
    }
    const Tensor norm = program.define("gradient_norm", sqrt(total));
    const Tensor scale = program.define("gradient_scale", where(norm > largest, largest / norm, 1));
    for (ParameterGradient& each : clipped) each.gradient = each.gradient * scale;
    optimizer(program, clipped);
  };
}

}  // namespace tessera
