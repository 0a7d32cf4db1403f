#include "models/losses.h"

#include "models/layers.h"

namespace tessera {
namespace {

Expr square(const Expr& x) {
  return x * x;
}

// x where positive, else 0.
Expr positive(const Tensor& x) {
  return where(x > 0, x, 0);
}

// sum of `value` over the labels other than the true one.
Expr sum_over_wrong(const Dim& label, const Expr& truth, const Expr& value) {
  return sum(label, where(differs(truth, index(label)), value, 0));
}

}  // namespace

Expr cross_entropy(const Dim& label, const Expr& logits, const Expr& truth) {
  const Tensor shifted = logits - stop_gradient(max(label, logits));
  return log(sum(label, exp(shifted))) - shifted.at(label, truth, std::nullopt, truth.where());
}

Expr smoothed_cross_entropy(const Dim& label, const Expr& logits, const Expr& truth,
                            double smoothing) {
  const Tensor log_probability = log_softmax(label, logits);
  return -((1 - smoothing) * log_probability.at(label, truth, std::nullopt, truth.where()) +
           smoothing * mean(label, log_probability));
}

Expr negative_log_likelihood(const Dim& label, const Expr& log_probability, const Expr& truth) {
  return -log_probability.at(label, truth, std::nullopt, truth.where());
}

Expr binary_cross_entropy(const Expr& logit, const Expr& truth) {
  const Expr low = where(logit < 0, logit, 0);
  const Expr high = where(logit < 0, 0, logit);
  return high - logit * truth + log(1 + exp(low - high));
}

Expr kl_divergence(const Dim& over, const Expr& log_p, const Expr& log_q) {
  return sum(over, exp(log_p) * (log_p - log_q));
}

Expr mean_squared_error(const Dims& over, const Expr& x, const Expr& truth) {
  return mean(over, square(x - truth));
}

Expr mean_absolute_error(const Dims& over, const Expr& x, const Expr& truth) {
  return mean(over, abs(x - truth));
}

Expr huber(const Dims& over, const Expr& x, const Expr& truth, double delta) {
  const Expr away = abs(x - truth);
  return mean(over, where(away <= delta, 0.5 * square(away), delta * (away - 0.5 * delta)));
}

Expr hinge(const Dim& label, const Expr& score, const Expr& truth, double margin) {
  const Expr own = score.at(label, truth, std::nullopt, truth.where());
  return sum_over_wrong(label, truth, positive(Tensor(margin + score - own)));
}

Expr spread_loss(const Dim& label, const Expr& activation, const Expr& truth, const Expr& margin) {
  const Expr own = activation.at(label, truth, std::nullopt, truth.where());
  return sum_over_wrong(label, truth, square(positive(Tensor(margin - (own - activation)))));
}

Expr accuracy(const Dims& over, const Dim& label, const Expr& logits, const Expr& truth) {
  const Expr hit = equal(argmax(label, logits), truth);
  return mean(over, where(hit, 1.0, 0.0));
}

void learn_labels(Program& step, const Labelling& labelling, const Optimizer& optimizer) {
  const auto& [examples, label, logits, truth] = labelling;
  const Tensor loss = step.define("loss", mean(examples, cross_entropy(label, logits, truth)));
  if (optimizer) step.minimize(loss, optimizer);
  step.output("loss", loss);
  step.output("accuracy", accuracy(examples, label, logits, truth));
}

}  // namespace tessera
