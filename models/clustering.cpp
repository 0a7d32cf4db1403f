#include "models/clustering.h"

#include <cmath>
#include <numbers>

#include "ir/loop.h"
#include "models/layers.h"

namespace tessera {
namespace {

// log(weight * density) of each component at each point.
Expr log_joint(const MixtureDims& dims, const GaussianMixture& mixture, const Expr& x) {
  const Expr away = x - mixture.mean;
  const Expr terms = away * away / mixture.variance + log(mixture.variance);
  const double constant =
      std::log(2 * std::numbers::pi) * static_cast<double>(dims.feature.extent());
  return log(mixture.weight) - 0.5 * (sum(dims.feature, terms) + constant);
}

}  // namespace

Expr log_likelihood(const MixtureDims& dims, const GaussianMixture& mixture, const Expr& x) {
  const Tensor joint = log_joint(dims, mixture, x);
  const Tensor top = stop_gradient(max(dims.component, joint));
  return top + log(sum(dims.component, exp(joint - top)));
}

GaussianMixture mixture_step(const MixtureDims& dims, const GaussianMixture& mixture, const Expr& x,
                             double least_variance) {
  const Tensor share = softmax(dims.component, Tensor(log_joint(dims, mixture, x)));
  const Tensor mass = sum(dims.point, share);
  const Tensor mean = sum(dims.point, share * x) / mass;
  const Expr away = x - mean;
  const Tensor variance = sum(dims.point, share * (away * away)) / mass;
  return {mass / static_cast<double>(dims.point.extent()), mean, max(variance, least_variance)};
}

FittedMixture fit_mixture(const MixtureDims& dims, const Dim& round, const GaussianMixture& guess,
                          const Expr& x, double least_variance) {
  const Loop result = loop(round, {guess.weight, guess.mean, guess.variance},
                           [&](const std::vector<Tensor>& carried) {
                             const GaussianMixture mixture = {carried[0], carried[1], carried[2]};
                             const GaussianMixture next =
                                 mixture_step(dims, mixture, x, least_variance);
                             return Iteration{{next.weight, next.mean, next.variance},
                                              {mean(dims.point, log_likelihood(dims, mixture, x))},
                                              {}};
                           },
                           x.where(), {"weight", "mean", "variance"});
  return {{result.last[0], result.last[1], result.last[2]}, result.each[0]};
}

Expr nearest_centre(const Dim& cluster, const Dim& feature, const Expr& x, const Expr& centre) {
  const Expr away = x - centre;
  return argmin(cluster, sum(feature, away * away));
}

Expr kmeans_step(const ClusterDims& dims, const Expr& x, const Expr& centre) {
  const Tensor nearest = nearest_centre(dims.cluster, dims.feature, x, centre);
  const Expr mine = equal(nearest, index(dims.cluster));
  const Tensor count = sum(dims.point, cast(x.type(), mine));
  const Expr total = sum(dims.point, where(mine, x, 0));
  return where(count > 0, total / max(count, 1), centre);
}

FittedCentres kmeans(const ClusterDims& dims, const Dim& round, const Expr& guess, const Expr& x) {
  const Loop result =
      loop(round, {guess},
           [&](const std::vector<Tensor>& carried) {
             const Expr away = x - carried[0];
             const Expr nearest = min(dims.cluster, sum(dims.feature, away * away));
             return Iteration{{kmeans_step(dims, x, carried[0])}, {mean(dims.point, nearest)}, {}};
           },
           x.where(), {"centre"});
  return {result.last[0], result.each[0]};
}

}  // namespace tessera
