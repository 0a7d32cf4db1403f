#include "models/optimizers.h"

#include "ir/functions.h"

namespace tessera {
namespace {

// beta^step, kept as a state that is multiplied once a step: all parameters share it.
Expr decay_product(Program& program, const std::string& name, double beta, DType type) {
  if (const std::optional<Tensor> known = program.find(name)) return *known * beta;
  const Tensor product = program.state(name, {}, constant(1), type);
  program.update(product, product * beta);
  return product * beta;
}

}  // namespace

Optimizer sgd(double lr, double momentum) {
  return [=](Program& program, const Tensor& w, const Expr& gradient) {
    if (momentum == 0) {
      program.update(w, w - lr * gradient);
      return;
    }
    const Tensor velocity =
        program.state(w.name() + "_velocity", w.dims(), zeros(), w.type(), w.where());
    const Tensor next = program.define(w.name() + "_velocity_next", momentum * velocity + gradient,
                                       w.where(), w.dims());
    program.update(velocity, next);
    program.update(w, w - lr * next);
  };
}

Optimizer adam(const AdamOptions& options) {
  return [=](Program& program, const Tensor& w, const Expr& gradient) {
    const Tensor mean = program.state(w.name() + "_mean", w.dims(), zeros(), w.type(), w.where());
    const Tensor square =
        program.state(w.name() + "_square", w.dims(), zeros(), w.type(), w.where());
    const Tensor g = program.define(w.name() + "_gradient", gradient, w.where(), w.dims());
    const Tensor next_mean =
        program.define(w.name() + "_mean_next", options.beta1 * mean + (1 - options.beta1) * g,
                       w.where(), w.dims());
    const Tensor next_square =
        program.define(w.name() + "_square_next",
                       options.beta2 * square + (1 - options.beta2) * g * g, w.where(), w.dims());
    program.update(mean, next_mean);
    program.update(square, next_square);
    const std::string suffix = w.type() == DType::f64 ? "_f64" : "";
    const Expr unbiased_mean =
        next_mean / (1 - decay_product(program, "beta1_power" + suffix, options.beta1, w.type()));
    const Expr unbiased_square =
        next_square / (1 - decay_product(program, "beta2_power" + suffix, options.beta2, w.type()));
    program.update(w, w - options.lr * unbiased_mean / (sqrt(unbiased_square) + options.epsilon));
  };
}

}  // namespace tessera
