#pragma once

#include <vector>

#include "ir/functions.h"

namespace tessera {

// One direction in which a window slides: element o of `out` and k of `kernel` meet at
//
//   in = stride * o + dilation * k - before
//
// and zeros stand at the `before` places left of 0 and the `after` places right of the last.
struct Window {
  Dim in;
  Dim kernel;
  Dim out;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t before = 0;
  int64_t after = 0;
};

// How often a window fits: (in + before + after - dilation * (kernel - 1) - 1) // stride + 1.
// `window.out` is not looked at. Throws UserError where it does not fit at all.
int64_t output_extent(int64_t in, int64_t kernel, int64_t stride = 1, int64_t dilation = 1,
                      int64_t padding = 0);

// The place in `window.in` that a window's element looks at, and `x` read there; a place in the
// padding reads `pad`. Throws UserError when windows reach beyond the padding.
Expr window_index(const Window& window);
Expr read_windows(const std::vector<Window>& windows, const Expr& x, double pad = 0);

// A convolution in 1, 2, 3 or any number of directions (a cross-correlation, as in machine
// learning; LeCun et al., 1989; dilated: Yu and Koltun, 2016):
//
//   sum[kernels, channels](image[in: stride*out + dilation*kernel - before pad 0] * filter)
//
//   image[…, ins, channels], filter[kernels, channels, …]  ->  […, outs]
//
// What is grouped is said by dims alone: a filter over [kernels, cin, cout] is an ordinary
// convolution over channels {cin}; [kernels, group, cin, cout] on an image over [group, cin] a
// grouped one; [kernels, cin] with no `channels` a depthwise one.
//
//   Dim y("y", 9), k("k", 3), o("o", 4), cin("cin", 8), cout("cout", 16);
//   Expr h = convolution({{y, k, o, 2}}, {cin}, image, filter);   // stride 2
Expr convolution(const std::vector<Window>& windows, const Dims& channels, const Expr& image,
                 const Expr& filter);

// The adjoint of `convolution` by its image, with the same windows: from outs to ins (Zeiler et
// al., 2010). Where a strided convolution makes things smaller, this makes them larger.
//
//   sum[outs, kernels, channels](x * filter  where  stride*out + dilation*kernel - before == in)
//
//   x[…, outs, channels], filter[kernels, channels, …]  ->  […, ins]
Expr transposed_convolution(const std::vector<Window>& windows, const Dims& channels, const Expr& x,
                            const Expr& filter);

}  // namespace tessera
