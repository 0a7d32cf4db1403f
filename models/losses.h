#pragma once

#include "ir/functions.h"
#include "ir/program.h"

namespace tessera {

// Losses of one example: the caller takes the mean over its batch. Everything that has further
// dims passes through.

// -log softmax(logits)[truth], in nats.  logits[…, label], truth[…]: i32 in 0 … label-1  ->  […]
Expr cross_entropy(const Dim& label, const Expr& logits, const Expr& truth);

// The same against a truth of 1 - smoothing + smoothing / labels for the true label and
// smoothing / labels for each other (Szegedy et al., 2016).
Expr smoothed_cross_entropy(const Dim& label, const Expr& logits, const Expr& truth,
                            double smoothing = 0.1);

// -log_probability[truth].  log_probability[…, label], truth[…]: i32  ->  […]
Expr negative_log_likelihood(const Dim& label, const Expr& log_probability, const Expr& truth);

// -truth * log(sigmoid(logit)) - (1 - truth) * log(1 - sigmoid(logit)), without overflow.
//   logit[…], truth[…] in [0, 1]  ->  […]
Expr binary_cross_entropy(const Expr& logit, const Expr& truth);

// sum[over](p * (log_p - log_q)) with p = exp(log_p): how far q is from p, in nats.
//   log_p[…, over], log_q[…, over]  ->  […]
Expr kl_divergence(const Dim& over, const Expr& log_p, const Expr& log_q);

// mean[over]((x - truth)^2), mean[over](|x - truth|).  x[…, over], truth[…, over]  ->  […]
Expr mean_squared_error(const Dims& over, const Expr& x, const Expr& truth);
Expr mean_absolute_error(const Dims& over, const Expr& x, const Expr& truth);

// 0.5 * d^2 where |d| <= delta, delta * (|d| - 0.5 * delta) elsewhere, d = x - truth; its mean over
// dims (Huber, 1964).
Expr huber(const Dims& over, const Expr& x, const Expr& truth, double delta = 1);

// sum over wrong labels of max(0, margin + score - score[truth]) (Weston and Watkins, 1999).
//   score[…, label], truth[…]: i32  ->  […]
Expr hinge(const Dim& label, const Expr& score, const Expr& truth, double margin = 1);

// sum over wrong labels of max(0, margin - (activation[truth] - activation))^2 (Hinton, Sabour and
// Frosst, Matrix capsules with EM routing, 2018).
//   activation[…, label], truth[…]: i32, margin[…]  ->  […]
Expr spread_loss(const Dim& label, const Expr& activation, const Expr& truth, const Expr& margin);

// The share of `over` for which the largest logit is the true one, 0 … 1, f32.
Expr accuracy(const Dims& over, const Dim& label, const Expr& logits, const Expr& truth);

// The end of a step that learns to name things: `loss`, which is the mean of cross_entropy over the
// examples, what an optimizer makes of it, if there is one, and the outputs `loss` and `accuracy`.
//
//   learn_labels(step, {{batch, time}, vocabulary, logits, truth}, adam(1e-3));
struct Labelling {
  Dims examples;
  Dim label;
  Expr logits;  // over examples and label
  Expr truth;   // over examples: i32 in 0 … label-1
};
void learn_labels(Program& step, const Labelling& labelling, const Optimizer& optimizer);

}  // namespace tessera
