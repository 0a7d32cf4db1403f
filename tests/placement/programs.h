#pragma once

#include <cmath>
#include <vector>

#include "ir/functions.h"
#include "ir/normalize.h"
#include "ir/program.h"
#include "placement/cost_model.h"

namespace tessera::testing_programs {

inline Optimizer plain_descent(double lr) {
  return [lr](Program& program, const std::vector<ParameterGradient>& gradients) {
    for (const auto& [parameter, gradient] : gradients)
      program.update(parameter, Expr(parameter) - lr * gradient);
  };
}

// Keeps two moments per parameter, as Adam does, so that storage matters.
inline Optimizer two_moments(double lr) {
  return [lr](Program& program, const std::vector<ParameterGradient>& gradients) {
    for (const auto& [parameter, gradient] : gradients) {
      Tensor mean = program.state(parameter.name() + "_mean", parameter.dims());
      Tensor square = program.state(parameter.name() + "_square", parameter.dims());
      Tensor g = program.define(program.fresh_name("g_" + parameter.name()), gradient);
      Tensor m = program.define(program.fresh_name("m_" + parameter.name()), 0.9 * mean + 0.1 * g);
      Tensor v = program.define(program.fresh_name("v_" + parameter.name()),
                                0.999 * square + 0.001 * Expr(g) * g);
      program.update(mean, m);
      program.update(square, v);
      program.update(parameter, Expr(parameter) - lr * m / (sqrt(v) + 1e-8));
    }
  };
}

struct MlpShape {
  int64_t batch = 256, pixels = 784, labels = 10;
  std::vector<int64_t> hidden = {512, 512};
};

// A training step of a classifier, in normal form.
inline Program mlp_step(const MlpShape& shape = {},
                        const Optimizer& optimizer = plain_descent(0.1)) {
  Program p("mlp");
  Dim batch("batch", shape.batch), pixel("pixel", shape.pixels), label("label", shape.labels);
  Tensor image = p.input("image", {batch, pixel}), truth = p.input("truth", {batch}, DType::i32);
  Expr x = image;
  Dim in = pixel;
  for (size_t i = 0; i <= shape.hidden.size(); ++i) {
    bool last = i == shape.hidden.size();
    std::string n = std::to_string(i + 1);
    Dim out = last ? label : Dim("hidden" + n, shape.hidden[i]);
    Tensor w = p.parameter("w" + n, {in, out}, glorot()), b = p.parameter("b" + n, {out});
    Tensor h = p.define("h" + n, sum(in, x * w) + b);
    x = last ? Expr(h) : max(Expr(h), 0.0);
    in = out;
  }
  Tensor top = p.define("top", max(label, x));
  Tensor total = p.define("total", sum(label, exp(x - top)));
  Expr right = sum(label, where(equal(index(label), truth), x, 0.0));
  Tensor loss = p.define("loss", mean(batch, log(total) + top - right));
  p.minimize(loss, optimizer);
  p.output("loss", loss);
  return normalize(p);
}

// y[b] = sum[h]((sum[i](x * w)) * v), and w moves by a made-up gradient: two reductions, an update,
// an output, few enough choices to try all.
inline Program tiny_step(int64_t b, int64_t i, int64_t h) {
  Program p("tiny");
  Dim batch("b", b), in("i", i), hidden("h", h);
  Tensor x = p.input("x", {batch, in});
  Tensor w = p.parameter("w", {in, hidden});
  Tensor a = p.define("a", sum(in, x * w));
  Tensor d = p.define("d", sum(batch, x * a));
  p.update(w, Expr(w) - 0.1 * d);
  p.output("y", sum(hidden, a * a));
  return normalize(p);
}

// A slow network and a fast device make communication matter, and the reverse.
inline KernelSeconds slow_kernels(double flops) {
  return [flops](const Nest& local) { return 1e-6 + flops_of(local) / flops; };
}

}  // namespace tessera::testing_programs
