// Optimizers, schedules and running statistics against the same rules in plain arithmetic, f64.
#include "models/optimizers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/random.h"
#include "models/normalization.h"

namespace tessera {
namespace {

// Two parameters, u[2] and v, with the loss 3 u0^2 + 3 u1^2 + u0 v + u1 v + v^2.
struct Point {
  double u0 = 1, u1 = -0.5, v = 2;
};
Point gradient(const Point& p) {
  return {6 * p.u0 + p.v, 6 * p.u1 + p.v, p.u0 + p.u1 + 2 * p.v};
}
Point map(const Point& a, const Point& b, const std::function<double(double, double)>& f) {
  return {f(a.u0, b.u0), f(a.u1, b.u1), f(a.v, b.v)};
}
Point plus(const Point& a, double factor, const Point& b) {
  return map(a, b, [=](double x, double y) { return x + factor * y; });
}

Point after(int steps, const Optimizer& optimizer) {
  Program p("two");
  const Dim i("i", 2);
  const Tensor u = p.parameter("u", {i}, zeros(), DType::f64);
  const Tensor v = p.parameter("v", {}, constant(2), DType::f64);
  p.minimize(sum(i, 3 * u * u + u * v) + v * v, optimizer);
  Arrays state = initial_state(p, 0);
  state.at("u").set(0, 1);
  state.at("u").set(1, -0.5);
  for (int step = 0; step < steps; ++step) interpret(p, {}, state);
  return {state.at("u").get(0), state.at("u").get(1), state.at("v").get(0)};
}

void expect_near(const Point& found, const Point& wanted) {
  EXPECT_NEAR(found.u0, wanted.u0, 1e-12);
  EXPECT_NEAR(found.u1, wanted.u1, 1e-12);
  EXPECT_NEAR(found.v, wanted.v, 1e-12);
}

TEST(Optimizers, SgdWithMomentumNesterovAndDecay) {
  for (const bool nesterov : {false, true}) {
    Point w;
    Point velocity = {0, 0, 0};
    for (int step = 0; step < 4; ++step) {
      const Point g = plus(gradient(w), 0.1, w);
      velocity = plus(g, 0.9, velocity);
      w = plus(w, -0.02, nesterov ? plus(g, 0.9, velocity) : velocity);
    }
    expect_near(after(4, sgd(SgdOptions{0.02, 0.9, nesterov, 0.1})), w);
  }
  EXPECT_THROW(sgd(SgdOptions{0.1, 0, true, 0}), UserError);
}

Point adam_by_hand(int steps, double decay, const std::function<double(int)>& rate) {
  Point w;
  Point mean = {0, 0, 0};
  Point square = {0, 0, 0};
  for (int step = 0; step < steps; ++step) {
    const Point g = gradient(w);
    mean = map(mean, g, [](double m, double x) { return 0.9 * m + 0.1 * x; });
    square = map(square, g, [](double s, double x) { return 0.99 * s + 0.01 * x * x; });
    const double c1 = 1 - std::pow(0.9, step + 1);
    const double c2 = 1 - std::pow(0.99, step + 1);
    const Point direction =
        map(mean, square, [=](double m, double s) { return m / c1 / (std::sqrt(s / c2) + 1e-8); });
    w = plus(w, -rate(step), plus(direction, decay, w));
  }
  return w;
}

TEST(Optimizers, AdamAndAdamW) {
  const auto rate = [](int) { return 0.05; };
  expect_near(after(5, adam({0.05, 0.9, 0.99})), adam_by_hand(5, 0, rate));
  expect_near(after(5, adamw({0.05, 0.9, 0.99}, 0.3)), adam_by_hand(5, 0.3, rate));
}

TEST(Optimizers, SchedulesSetTheRateOfEachStep) {
  const auto follows = [](const Schedule& schedule, const std::function<double(int)>& rate) {
    expect_near(after(7, adam({schedule, 0.9, 0.99})), adam_by_hand(7, 0, rate));
  };
  follows(constant_schedule(0.05), [](int) { return 0.05; });
  follows(step_schedule(0.05, 3, 0.5), [](int s) { return 0.05 * std::pow(0.5, s / 3); });
  follows(exponential_schedule(0.05, 3, 0.5), [](int s) { return 0.05 * std::pow(0.5, s / 3.0); });
  follows(cosine_schedule(0.05, 6, 2, 0.01), [](int s) {
    if (s < 2) return 0.05 * s / 2;
    const double done = std::min(1.0, (s - 2) / 4.0);
    return 0.01 + 0.04 * (1 + std::cos(std::numbers::pi * done)) / 2;
  });
  follows(inverse_sqrt_schedule(0.05, 3),
          [](int s) { return s < 3 ? 0.05 * s / 3 : 0.05 * std::sqrt(3.0 / s); });
  EXPECT_THROW(cosine_schedule(0.1, 5, 5), UserError);
}

TEST(Optimizers, ClippingLooksAtAllGradientsTogether) {
  Point w;
  for (int step = 0; step < 3; ++step) {
    const Point g = gradient(w);
    const double norm = std::sqrt(g.u0 * g.u0 + g.u1 * g.u1 + g.v * g.v);
    w = plus(w, -0.1 * (norm > 2.5 ? 2.5 / norm : 1), g);
  }
  expect_near(after(3, clip_by_global_norm(2.5, sgd(0.1))), w);
  expect_near(after(3, clip_by_global_norm(1e6, sgd(0.1))), after(3, sgd(0.1)));
}

TEST(Normalization, RunningStatisticsFollowTheBatches) {
  Program p("norm");
  const Dim row("row", 4), channel("channel", 2);
  const Tensor x = p.input("x", {row, channel}, DType::f64);
  const Tensor scale = p.parameter("scale", {channel}, constant(2), DType::f64);
  const Tensor shift = p.parameter("shift", {channel}, constant(1), DType::f64);
  p.output("y", batch_norm_training(p, "norm", {row}, x, {scale, shift}, 0.25), {row, channel});
  Array values = make_array(DType::f64, {4, 2});
  for (size_t i = 0; i < 8; ++i) values.set(i, static_cast<double>(i * i));
  Arrays state = initial_state(p, 0);
  const Arrays out = interpret(p, {{"x", values}}, state);
  // Channel 0 holds 0, 4, 16, 36: mean 14, squared deviations 196 + 100 + 4 + 484.
  EXPECT_NEAR(state.at("norm_mean").get(0), 0.25 * 14, 1e-12);
  EXPECT_NEAR(state.at("norm_variance").get(0), 0.75 + 0.25 * 784 / 3, 1e-12);
  EXPECT_NEAR(out.at("y").get(0), -14 / std::sqrt(196 + 1e-5) * 2 + 1, 1e-12);
}

}  // namespace
}  // namespace tessera
