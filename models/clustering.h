#pragma once

#include "ir/functions.h"

namespace tessera {

// Finding groups among points, without labels.

// A mixture of Gaussians whose features are independent within a component.
struct GaussianMixture {
  Tensor weight;    // [component], positive, summing to 1
  Tensor mean;      // [component, feature]
  Tensor variance;  // [component, feature]
};
struct MixtureDims {
  Dim point;
  Dim component;
  Dim feature;
};

// log of the mixture's density at each point.  x[…, point, feature]  ->  […, point]
Expr log_likelihood(const MixtureDims& dims, const GaussianMixture& mixture, const Expr& x);

// One round of expectation maximization (Dempster, Laird and Rubin, 1977): each point is shared out
// to the components in proportion to their densities there, and each component takes the share,
// the mean and the variance of what it got, the variance at least `least_variance`. The mean of
// log_likelihood never falls, as long as no variance is held up.
//   x[…, point, feature]
GaussianMixture mixture_step(const MixtureDims& dims, const GaussianMixture& mixture, const Expr& x,
                             double least_variance = 1e-6);

// As many rounds as `round` is long, from a first guess, and the mean log likelihood before each.
//   x[…, point, feature]
struct FittedMixture {
  GaussianMixture mixture;
  Tensor log_likelihood;  // […, round]
};
FittedMixture fit_mixture(const MixtureDims& dims, const Dim& round, const GaussianMixture& guess,
                          const Expr& x, double least_variance = 1e-6);

// The nearest centre of each point, by squared distance.
//   x[…, point, feature], centre[…, cluster, feature]  ->  […, point]: i32
Expr nearest_centre(const Dim& cluster, const Dim& feature, const Expr& x, const Expr& centre);

// One round of k-means (Lloyd, 1957): each centre moves to the mean of the points that it is
// nearest to; one without points stays.
//   x[…, point, feature], centre[…, cluster, feature]  ->  […, cluster, feature]
struct ClusterDims {
  Dim point;
  Dim cluster;
  Dim feature;
};
Expr kmeans_step(const ClusterDims& dims, const Expr& x, const Expr& centre);

// As many rounds of k-means as `round` is long, and the mean squared distance before each.
struct FittedCentres {
  Tensor centre;
  Tensor distance;  // […, round]
};
FittedCentres kmeans(const ClusterDims& dims, const Dim& round, const Expr& guess, const Expr& x);

}  // namespace tessera
