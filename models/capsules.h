#pragma once

#include "models/convolution.h"

namespace tessera {

// Matrix capsules with EM routing (Hinton, Sabour and Frosst, ICLR 2018). A capsule is a pose, a
// small matrix over [row, col], and an activation in 0 … 1. Children vote for the poses of their
// parents; routing finds which votes agree.

struct Capsules {
  Tensor pose;        // […, row, col]
  Tensor activation;  // […]
};

// How children and parents are connected. In a convolution each parent sees the children in a
// window, and a child is seen from several positions; without windows every parent sees all.
struct Routing {
  std::vector<Window> windows;  // from children's to parents' positions
  Dims child;   // further dims of children: {cin}; {y, x, cin} before class capsules
  Dims parent;  // kinds of parents: {cout}
  Dims pose;    // {row, col}
};

// What each child makes of each parent's pose: its own pose times a matrix.
//
//   sum[mid](pose * w)  in each window
//
//   pose[…, ins, child, row, mid], w[kernels, child, parent, mid, col]
//     ->  […, outs, kernels, child, parent, row, col]
Expr capsule_votes(const Routing& routing, const Dim& mid, const Expr& pose, const Expr& w);

// Votes that know where their child is: its scaled position, in 0 … 1, is added to the first two
// elements of the last column (section 4.1, coordinate addition).
//   vote[…, row, col], place_y[…], place_x[…]  ->  […, row, col]
Expr add_coordinates(const Dim& row, const Dim& col, const Expr& vote, const Expr& place_y,
                     const Expr& place_x);

struct EmOptions {
  int iterations = 3;
  double lambda = 0.01;        // inverse temperature: lambda * (1 - 0.95^(i+1)) in iteration i
  double min_variance = 5e-4;  // added to every variance: a parent of one child has none of its own
  // 0: the cost of a parent grows with the mass of the votes that it gets, as in the paper. Else
  // masses are scaled so that the one to expect, children shared evenly, is this: class capsules,
  // which see very many children, then cost what others do.
  double expected_mass = 0;
};

// The parents that the votes agree on (section 4, procedure 1; gradients flow through all
// iterations). The share of child i that parent j gets starts equal for all parents that see it;
// then, for each iteration,
//
//   r = share * activation;  mass = sum r;  mean = sum r*vote / mass
//   variance = sum r*(vote - mean)^2 / mass + min_variance
//   activation_j = sigmoid(lambda * (beta_a - sum[pose]((beta_u + log(variance)/2) * mass)))
//   share = activation_j * normal(vote; mean, variance), scaled to sum to 1 for each child over all
//           parents that see it, of every kind and at every position
//
//   vote[…, outs, kernels, child, parent, pose], activation[…, ins, child], beta_u[parent],
//   beta_a[parent]  ->  pose[…, outs, parent, pose], activation[…, outs, parent]
struct EmInput {
  Expr vote;
  Expr activation;
  Expr beta_u;
  Expr beta_a;
};
Capsules em_routing(const Routing& routing, const EmInput& input, const EmOptions& options = {});

// The margin of spread_loss after `step` steps, f32: 0.2 at the start, then towards 0.99:
// 0.2 + 0.79 * sigmoid(min(10, step / ramp - 4)).  The paper's training takes ramp = 50000.
Expr spread_margin(const Expr& step, double ramp = 50000);

}  // namespace tessera
