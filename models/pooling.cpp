#include "models/pooling.h"

#include <limits>

namespace tessera {
namespace {

Dims kernels_of(const std::vector<Window>& windows) {
  Dims kernels;
  for (const Window& window : windows) kernels.push_back(window.kernel);
  return kernels;
}

}  // namespace

Expr max_pool(const std::vector<Window>& windows, const Expr& x) {
  return max(kernels_of(windows),
             read_windows(windows, x, -std::numeric_limits<double>::infinity()));
}

Expr average_pool(const std::vector<Window>& windows, const Expr& x) {
  Expr count = make_cast(x.type(), 1);
  for (const Window& window : windows) {
    const Expr at = window_index(window);
    const Expr inside = at >= 0 && at < static_cast<int>(window.in.extent());
    const bool padded = window.before > 0 || window.after > 0;
    count = count * (padded ? sum(window.kernel, cast(x.type(), inside))
                            : make_cast(x.type(), static_cast<int>(window.kernel.extent())));
  }
  return sum(kernels_of(windows), read_windows(windows, x)) / count;
}

Expr global_average_pool(const Dims& over, const Expr& x) {
  return mean(over, x);
}

}  // namespace tessera
