#include "models/convolution.h"

#include "base/error.h"

namespace tessera {
namespace {

void check_fit(const Window& window) {
  const int64_t last = window.stride * (window.out.extent() - 1) +
                       window.dilation * (window.kernel.extent() - 1) - window.before;
  const int64_t allowed = window.in.extent() - 1 + window.after;
  if (last <= allowed) return;
  throw UserError(window.out.where(), "the windows of `" + window.out.name() + "` reach " +
                                          std::to_string(last) + " in `" + window.in.name() +
                                          "`, whose last index, padding included, is " +
                                          std::to_string(allowed) + "; lower the extent of `" +
                                          window.out.name() + "` or pad more");
}

}  // namespace

int64_t output_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
                      int64_t padding) {
  const int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1;
  if (room < 0)
    throw UserError("a window of " + std::to_string(dilation * (kernel - 1) + 1) +
                    " does not fit into an extent of " + std::to_string(in) + " with padding " +
                    std::to_string(padding) + "; pad more, or choose a smaller kernel");
  return room / stride + 1;
}

Expr window_index(const Window& window) {
  const auto times = [](int64_t factor, const Dim& dim) {
    const Expr at = index(dim);
    return factor == 1 ? at : static_cast<int>(factor) * at;
  };
  const Expr at = times(window.stride, window.out) + times(window.dilation, window.kernel);
  return window.before == 0 ? at : at - static_cast<int>(window.before);
}

Expr read_windows(const std::vector<Window>& windows, const Expr& x, double pad) {
  Expr value = x;
  for (const Window& window : windows) {
    check_fit(window);
    const bool padded = window.before > 0 || window.after > 0;
    value = padded ? value.at(window.in, window_index(window), pad)
                   : value.at(window.in, window_index(window));
  }
  return value;
}

Expr convolution(const std::vector<Window>& windows, const Dims& channels, const Expr& image,
                 const Expr& filter) {
  Dims summed = channels;
  for (const Window& window : windows) summed.push_back(window.kernel);
  return sum(summed, read_windows(windows, image) * filter);
}

Expr transposed_convolution(const std::vector<Window>& windows, const Dims& channels, const Expr& x,
                            const Expr& filter) {
  Dims summed = channels;
  Expr value = x * filter;
  for (const Window& window : windows) {
    check_fit(window);
    summed.push_back(window.out);
    summed.push_back(window.kernel);
    value = where(equal(window_index(window), index(window.in)), value, 0);
  }
  return sum(summed, value);
}

}  // namespace tessera
