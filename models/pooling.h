#pragma once

#include "models/convolution.h"

namespace tessera {

// Pooling over windows (see Window in convolution.h). x[…, ins] -> […, outs].

// The largest element of each window; padding never wins. Elements that tie share the gradient.
Expr max_pool(const std::vector<Window>& windows, const Expr& x);

// The mean of the elements of each window that are no padding.
Expr average_pool(const std::vector<Window>& windows, const Expr& x);

// The mean over whole dims, as {y, x} of an image (Lin et al., 2014). x[…, over] -> […]
//
//   Expr scores = dense(channel, global_average_pool({y, x}, h), w, b);
Expr global_average_pool(const Dims& over, const Expr& x);

}  // namespace tessera
