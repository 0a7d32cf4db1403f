#include "models/clustering.h"

#include <cmath>
#include <numbers>

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

}  // namespace tessera
