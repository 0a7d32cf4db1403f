#include "models/capsules.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace tessera {
namespace {

// Keeps the mean of a parent whose children are all inactive at 0 / 1e-9, not 0 / 0.
constexpr double kLeastMass = 1e-9;

Dims kernels_of(const Routing& routing) {
  Dims dims;
  for (const Window& window : routing.windows) dims.push_back(window.kernel);
  return dims;
}

// What a parent sums over: its children.
Dims children_of(const Routing& routing) {
  Dims dims = routing.child;
  for (const Dim& kernel : kernels_of(routing)) dims.push_back(kernel);
  return dims;
}

// What a child sums over: the parents that see it, all kinds at all positions.
Dims parents_of(const Routing& routing) {
  Dims dims = routing.parent;
  for (const Window& window : routing.windows) {
    dims.push_back(window.out);
    dims.push_back(window.kernel);
  }
  return dims;
}

// `value` where a window's element looks at the child, `otherwise` elsewhere: over the children's
// positions, too.
Expr where_seen(const Routing& routing, const Expr& value, double otherwise) {
  Expr guarded = value;
  for (const Window& window : routing.windows)
    guarded = where(equal(window_index(window), index(window.in)), guarded, otherwise);
  return guarded;
}

// 1 / the number of parents that see the child that a window's element looks at.
Expr equal_shares(const Routing& routing, DType type) {
  Expr count = make_cast(type, static_cast<double>(volume(routing.parent)));
  for (const Window& window : routing.windows) {
    const Expr seen = cast(type, equal(window_index(window), index(window.in)));
    count = count * sum({window.out, window.kernel}, seen);
  }
  if (routing.windows.empty()) return 1 / count;
  return 1 / read_windows(routing.windows, Tensor(count), 1);
}

// exp(log_weight), scaled for each child to sum to 1 over the parents that see it.
Expr shares(const Routing& routing, const Tensor& log_weight) {
  const Dims parents = parents_of(routing);
  const double lowest = -std::numeric_limits<double>::infinity();
  const Tensor top = stop_gradient(max(parents, where_seen(routing, log_weight, lowest)));
  const Tensor weight = exp(log_weight - read_windows(routing.windows, top, 0));
  const Tensor total = sum(parents, where_seen(routing, weight, 0));
  return weight / read_windows(routing.windows, total, 1);
}

// The mass that a parent gets when every child is active and shared evenly.
double even_mass(const Routing& routing) {
  double mass =
      static_cast<double>(volume(routing.child)) / static_cast<double>(volume(routing.parent));
  for (const Window& window : routing.windows) mass *= static_cast<double>(window.stride);
  return mass;
}

}  // namespace

Expr capsule_votes(const Routing& routing, const Dim& mid, const Expr& pose, const Expr& w) {
  return sum(mid, read_windows(routing.windows, pose) * w);
}

Expr add_coordinates(const Dim& row, const Dim& col, const Expr& vote, const Expr& place_y,
                     const Expr& place_x) {
  const Expr last = equal(index(col), static_cast<int>(col.extent()) - 1);
  const Expr place = where(equal(index(row), 0), place_y, where(equal(index(row), 1), place_x, 0));
  return vote + where(last, place, 0);
}

Capsules em_routing(const Routing& routing, const EmInput& input, const EmOptions& options) {
  const Dims children = children_of(routing);
  const double scale = options.expected_mass == 0 ? 1 : options.expected_mass / even_mass(routing);
  const double log_two_pi = std::log(2 * std::numbers::pi);
  const Tensor vote = input.vote;
  const Tensor active = read_windows(routing.windows, input.activation);
  Expr share = equal_shares(routing, vote.type());
  for (int i = 0;; ++i) {
    const Tensor r = share * active;
    const Tensor mass = sum(children, r) + kLeastMass;
    const Tensor mean = sum(children, r * vote) / mass;
    const Expr away = vote - mean;
    const Tensor variance = sum(children, r * (away * away)) / mass + options.min_variance;
    const Tensor cost = sum(routing.pose, input.beta_u + 0.5 * log(variance)) * (mass * scale);
    const double lambda = options.lambda * (1 - std::pow(0.95, i + 1));
    const Tensor strength = lambda * (input.beta_a - cost);
    const Tensor activation = sigmoid(strength);
    if (i + 1 >= options.iterations) return {mean, activation};
    const Expr log_normal = -0.5 * sum(routing.pose, away * away / variance + log(variance));
    const double constant = -0.5 * log_two_pi * static_cast<double>(volume(routing.pose));
    // log(sigmoid(s)) = -log(1 + exp(-s)), which does not round to -inf.
    share = shares(routing, log_normal + constant - log(1 + exp(-strength)));
  }
}

Expr spread_margin(const Expr& step, double ramp) {
  return 0.2 + 0.79 * sigmoid(min(cast(DType::f32, step) / ramp - 4, 10));
}

}  // namespace tessera
